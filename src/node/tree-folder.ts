import { stat } from "node:fs/promises";
import { mkdirSync, realpathSync, statSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { NodeError } from "../base/errors.ts";
import { makeDirectory } from "../engine/make-directory.ts";
import { nodeCrypto } from "../tree/node-crypto.ts";

/** The folder in which a tree keeps everything, as git keeps its own in `.git`. */
const TREE_FOLDER = ".banyan";

/** What the system says where this user may not write, or nobody. */
const REFUSED = new Set(["EACCES", "EPERM", "EROFS"]);

/** Where the parts of a tree's folder are. `directory` is the one that holds `.banyan`. */
export interface TreePlaces {
  readonly directory: string;
  readonly store: string;
  /** Who is the hub: see `HubRecord`. */
  readonly hubRecord: string;
  /** Held while a hub starts, and by a program that opened the tree for itself alone. */
  readonly hubLock: string;
  /** Held by the one client that starts a hub, so that not all do. */
  readonly startLock: string;
  /** Held by `banyan dev`, so that two do not fight over the names of their nodes. */
  readonly devLock: string;
  /** Held by the process that brings a hub back which listens on the network. */
  readonly keepLock: string;
  readonly hubLog: string;
  /** Instead of a store: which tree of another machine is meant. See `JoinedTree`. */
  readonly joined: string;
  /** What a machine that is about to join showed, until it knows that it has. */
  readonly joining: string;
  /** Where hubs listen besides their socket. */
  readonly listening: string;
  /** Who a hub is on the network. */
  readonly hubKey: string;
  readonly hubCertificate: string;
  /** What secrets are encrypted with. */
  readonly secretKey: string;
  /** The key that is taking the place of that one. */
  readonly nextSecretKey: string;
}

export function placesOf(directory: string): TreePlaces {
  const at = (name: string): string => join(directory, TREE_FOLDER, name);
  return {
    directory,
    store: at("store"),
    hubRecord: at("hub.json"),
    hubLock: at("hub.lock"),
    startLock: at("start.lock"),
    devLock: at("dev.lock"),
    keepLock: at("keep.lock"),
    hubLog: at("hub.log"),
    joined: at("joined.json"),
    joining: at("joining.json"),
    listening: at("listen.json"),
    hubKey: at("hub.key"),
    hubCertificate: at("hub.crt"),
    secretKey: at("secret.key"),
    nextSecretKey: at("secret.key.next"),
  };
}

export interface FindTreeOptions {
  /** Make one where there is none. */
  readonly create?: boolean | undefined;
  /** Where to look from; the process's own directory if not given. */
  readonly cwd?: string | undefined;
}

/**
 * The directory whose `.banyan` is meant by `url`: a directory, a `file:` URL, or nothing for the
 * nearest one upwards.
 *
 * @throws NodeError `NODE_NO_TREE`, `NODE_BAD_URL`
 */
export async function treeDirectory(
  url: string | undefined,
  { create = false, cwd = process.cwd() }: FindTreeOptions = {},
): Promise<string> {
  const named = url === undefined ? undefined : directoryOf(url, cwd);
  const found = named === undefined ? await upwards(resolve(cwd)) : await below(named);
  if (found !== undefined) return found;
  const directory = named ?? resolve(cwd);
  if (!create) {
    throw new NodeError(
      "NODE_NO_TREE",
      named === undefined
        ? `there is no tree in ${directory} or above it; writing to one makes it`
        : `there is no tree in ${directory}; writing to it makes one`,
      { details: { directory } },
    );
  }
  await makeTreeFolder(directory);
  return directory;
}

async function makeTreeFolder(directory: string): Promise<void> {
  try {
    await makeDirectory(join(directory, TREE_FOLDER));
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const why = REFUSED.has(code) ? "NODE_DENIED" : "NODE_BAD_URL";
    throw new NodeError(why, `can't make a tree in ${directory}: ${message}`, { cause: error });
  }
}

function directoryOf(url: string, cwd: string): string {
  if (url.startsWith("file:")) return resolve(fileURLToPath(url));
  // A drive letter is one character, no scheme is.
  if (url === "" || /^[a-z][a-z0-9+.-]+:/i.test(url)) {
    throw new NodeError(
      "NODE_BAD_URL",
      `${JSON.stringify(url)} is no address of a tree: give a directory, unix:/socket, tls://host:port or memory:`,
    );
  }
  const directory = resolve(cwd, url);
  return basename(directory) === TREE_FOLDER ? dirname(directory) : directory;
}

async function below(directory: string): Promise<string | undefined> {
  const folder = join(directory, TREE_FOLDER);
  const kind = await stat(folder).then(
    (found) => (found.isDirectory() ? "directory" : "other"),
    (error: NodeJS.ErrnoException) => error.code,
  );
  if (kind === "directory") return directory;
  if (kind === "ENOENT") return undefined;
  const reason =
    kind === "ENOTDIR"
      ? `${directory} is no directory`
      : kind === "other"
        ? `${folder} is no directory`
        : `${folder} can't be read (${kind})`;
  throw new NodeError("NODE_BAD_URL", reason);
}

async function upwards(from: string): Promise<string | undefined> {
  for (let directory = from; ; directory = dirname(directory)) {
    if ((await below(directory)) !== undefined) return directory;
    if (dirname(directory) === directory) return undefined;
  }
}

/**
 * The address a hub of `directory` listens on: a short path of its own for each epoch, in a folder
 * that only this user can enter, because a socket's path has little room and a tree's may be long.
 */
export function hubAddress(directory: string, epoch: string): string {
  const name = nodeCrypto()
    .createHash("sha256")
    .update(realpathSync(directory))
    .digest("hex")
    .slice(0, 12);
  return `unix:${join(privateFolder(), `${name}-${epoch}`)}`;
}

/**
 * Where sockets of this user are, and what only this user may write.
 *
 * @throws NodeError `NODE_HUB_FAILED` where it is not private
 */
export function privateFolder(): string {
  const runtime = process.env["XDG_RUNTIME_DIR"];
  const user = process.getuid?.() ?? userInfo().username;
  const folder =
    runtime !== undefined && isDirectory(runtime)
      ? join(runtime, "banyan")
      : join(tmpdir(), `banyan-${user}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = statSync(folder);
  // Somebody else may have made a folder of that name in the shared temporary directory first.
  const foreign = process.getuid !== undefined && found.uid !== process.getuid();
  if (foreign || (process.platform !== "win32" && (found.mode & 0o077) !== 0)) {
    throw new NodeError("NODE_HUB_FAILED", `${folder} is not private to this user; remove it`);
  }
  return folder;
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
