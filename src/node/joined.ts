import { existsSync } from "node:fs";
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { NodeError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import { newToken } from "../tree/users/token.ts";
import type { TreePlaces } from "./tree-folder.ts";
import { nodeCrypto } from "../tree/node-crypto.ts";

/** What `.banyan/joined.json` says: the tree is another machine's, and how this one gets in. */
export interface JoinedTree {
  /** `tls://host:port#fingerprint` */
  readonly url: string;
  /** Who this machine is there. */
  readonly user: string;
  readonly token: string;
}

/** @throws NodeError `NODE_BAD_URL` for a file that makes no sense */
export function readJoined(places: TreePlaces): Promise<JoinedTree | undefined> {
  return read(places.joined);
}

/**
 * The token by which this machine joins as `user` with that line: the one from before, where it was broken
 * off, because the hub may know it already.
 */
export async function joiningToken(
  { joining }: TreePlaces,
  { line, user }: { readonly line: string; readonly user: string },
): Promise<string> {
  const url = nodeCrypto().createHash("sha256").update(line).digest("hex");
  // What makes no sense was not written to its end, and so never shown to anybody.
  const before = await read(joining).catch(() => undefined);
  if (before?.url === url && before.user === user) return before.token;
  const token = newToken().text;
  await write(joining, { url, user, token });
  return token;
}

async function read(path: string): Promise<JoinedTree | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    const { url, user, token } = JSON.parse(text) as Partial<Record<keyof JoinedTree, unknown>>;
    if (typeof url === "string" && typeof user === "string" && typeof token === "string") {
      return { url, user, token };
    }
    throw new TypeError("url, user and token are text");
  } catch (cause) {
    const says = `${path} makes no sense: ${(cause as Error).message}; join again`;
    throw new NodeError("NODE_BAD_URL", says, { cause });
  }
}

/** Appears whole, and is never open to others: the token lets in whoever has it. */
export async function writeJoined(places: TreePlaces, joined: JoinedTree): Promise<void> {
  await write(places.joined, joined);
  await rm(places.joining, { force: true });
}

async function write(path: string, joined: JoinedTree): Promise<void> {
  const draft = `${path}.${randomId()}`;
  try {
    await writeFile(draft, `${JSON.stringify(joined)}\n`, { mode: 0o600, flag: "wx" });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/**
 * A store that is made where a join was broken off would keep that from being finished.
 *
 * @throws NodeError `NODE_UNFINISHED`
 */
export function refuseUnfinished({ directory, joining, joined, store }: TreePlaces): void {
  if (!existsSync(joining) || existsSync(joined) || existsSync(store)) return;
  const says = `${directory} was about to join the tree of another machine when that was broken off; give \`banyan join\` the same line and name again, or remove ${joining}`;
  throw new NodeError("NODE_UNFINISHED", says, { details: { directory } });
}

/** Takes away what writers left who died; nobody else writes here meanwhile. */
export async function removeDrafts({ joined, joining }: TreePlaces): Promise<void> {
  const folder = dirname(joined);
  const starts = [joined, joining].map((file) => `${basename(file)}.`);
  for (const name of await readdir(folder)) {
    if (starts.some((start) => name.startsWith(start))) await rm(join(folder, name));
  }
}

/** @throws NodeError `NODE_JOINED` where the folder has no store of its own, `NODE_UNFINISHED` */
export function refuseJoined(places: TreePlaces): void {
  refuseUnfinished(places);
  if (!existsSync(places.joined)) return;
  throw new NodeError(
    "NODE_JOINED",
    `${places.directory} has joined the tree of another machine; its hub runs there`,
    { details: { directory: places.directory } },
  );
}
