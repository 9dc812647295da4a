import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import { BanyanError, NodeError } from "../base/errors.ts";
import { makeDirectory } from "../engine/make-directory.ts";
import type { Remote } from "../remote/types.ts";
import type { JoinService } from "./join-service.ts";
import { JOIN_EXPORT } from "./join-service.ts";
import { joiningToken, type JoinedTree, removeDrafts, writeJoined } from "./joined.ts";
import { LockFile } from "./lock-file.ts";
import { dialNetworkHub, parseNetworkUrl } from "./network.ts";
import { placesOf, privateFolder, type TreePlaces } from "./tree-folder.ts";

export interface JoinOptions {
  /** The folder that gets the `.banyan` by which programs here find the tree. */
  readonly directory: string;
  /** What this machine is called there. */
  readonly name: string;
  readonly signal: AbortSignal;
}

/** An invitation, as `banyan invite` prints it. */
interface InviteLine {
  /** `tls://host:port#fingerprint` */
  readonly url: string;
  readonly text: string;
}

/** The one line for another machine. */
export function formatInviteLine({ url, text }: InviteLine): string {
  return `${url}.${text}`;
}

/** @throws NodeError `NODE_BAD_URL` */
function parseInviteLine(line: string): InviteLine {
  const at = line.indexOf(".bt_");
  const url = line.slice(0, at);
  if (at < 0 || !url.includes("#")) {
    throw new NodeError(
      "NODE_BAD_URL",
      "that is no invitation: give what `banyan invite` prints, tls://host:port#fingerprint.token",
    );
  }
  parseNetworkUrl(url);
  return { url, text: line.slice(at + 1) };
}

/**
 * Makes this machine a node of another one's tree: uses the invitation up, and keeps what lets it in
 * from now on in `.banyan/joined.json`, which `open()` and the command find. Where it is broken off, or
 * this process dies, the same line works again here under the same name.
 *
 * @throws NodeError `NODE_UNFINISHED`, `NODE_BAD_URL`, `NODE_JOINED`, `NODE_TREE_IN_USE`; ChannelError `CHANNEL_REFUSED`;
 *   RemoteError `REMOTE_DENIED`; TreeError `TREE_BAD_INVITE`, `TREE_EXISTS`
 */
export async function joinTree(line: string, options: JoinOptions): Promise<JoinedTree> {
  const { url, text } = parseInviteLine(line);
  const places = placesOf(options.directory);
  const lock = await takeLock(options.directory);
  try {
    return await joinAlone(places, { url, text, line, ...options });
  } finally {
    await lock.release();
  }
}

/** Of two at once, one would remove the folder in which the other keeps its token. */
async function takeLock(directory: string): Promise<LockFile> {
  const name = createHash("sha256").update(resolve(directory)).digest("hex").slice(0, 12);
  // Not in the folder itself, which there may not be yet.
  const lock = await LockFile.take(join(privateFolder(), `${name}.join`), "join");
  if (lock instanceof LockFile) return lock;
  const says = `process ${lock.pid} is joining a tree in ${directory} at this moment`;
  throw new NodeError("NODE_TREE_IN_USE", says, { details: { pid: lock.pid } });
}

async function joinAlone(
  places: TreePlaces,
  { url, text, line, ...options }: JoinOptions & InviteLine & { readonly line: string },
): Promise<JoinedTree> {
  const undo = await prepare(places);
  // Whether the hub may have done it, although its answer was not heard.
  let may: "be asked" | "have been done" | "be kept" = "be asked";
  try {
    const token = await joiningToken(places, { line, user: options.name });
    const session = await dialNetworkHub(parseNetworkUrl(url), { invite: text }, options.signal);
    try {
      const door: Remote<JoinService, "copy"> = session.remote<JoinService, "copy">(JOIN_EXPORT);
      may = "have been done";
      const { user } = await door.redeem(options.name, token);
      may = "be kept";
      const joined = { url, user, token };
      await writeJoined(places, joined);
      return joined;
    } finally {
      await session.close();
    }
  } catch (error) {
    if (may === "be kept" || (may === "have been done" && isLost(error))) throw halfway(error);
    await rm(places.joining, { force: true });
    await undo();
    throw error;
  }
}

/** Whether there was no answer. */
function isLost(error: unknown): boolean {
  return BanyanError.is(error) && /^(REMOTE|CHANNEL|ENGINE)_/.test(error.code);
}

function halfway(cause: unknown): NodeError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const says = `the hub was lost while it let this machine in (${why}); give the same line and name again to finish that`;
  return new NodeError("NODE_UNFINISHED", says, { cause });
}

/** Makes the folder first: an invitation that is used up must not be lost for want of a place. */
async function prepare(places: TreePlaces): Promise<() => Promise<void>> {
  if (existsSync(places.joined)) {
    throw new NodeError(
      "NODE_JOINED",
      `${places.directory} has joined a tree already; remove ${places.joined} to leave it`,
    );
  }
  if (existsSync(places.store)) {
    throw new NodeError(
      "NODE_TREE_IN_USE",
      `there is a tree in ${places.directory}; join elsewhere`,
    );
  }
  const folder = dirname(places.joined);
  try {
    const made = await makeDirectory(folder);
    await removeDrafts(places);
    return async () => {
      if (made !== undefined) await rm(made, { recursive: true, force: true });
    };
  } catch (cause) {
    const says = `can't make ${folder}: ${(cause as Error).message}`;
    throw new NodeError("NODE_DENIED", says, { cause });
  }
}
