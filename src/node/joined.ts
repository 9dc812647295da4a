import { existsSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";

import { NodeError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import type { TreePlaces } from "./tree-folder.ts";

/** What `.banyan/joined.json` says: the tree is another machine's, and how this one gets in. */
export interface JoinedTree {
  /** `tls://host:port#fingerprint` */
  readonly url: string;
  /** Who this machine is there. */
  readonly user: string;
  readonly token: string;
}

/** @throws NodeError `NODE_BAD_URL` for a file that makes no sense */
export async function readJoined(places: TreePlaces): Promise<JoinedTree | undefined> {
  const text = await readFile(places.joined, "utf8").catch((error: NodeJS.ErrnoException) => {
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
    const says = `${places.joined} makes no sense: ${(cause as Error).message}; join again`;
    throw new NodeError("NODE_BAD_URL", says, { cause });
  }
}

/** Appears whole, and is never open to others: the token lets in whoever has it. */
export async function writeJoined(places: TreePlaces, joined: JoinedTree): Promise<void> {
  const draft = `${places.joined}.${randomId()}`;
  try {
    await writeFile(draft, `${JSON.stringify(joined)}\n`, { mode: 0o600, flag: "wx" });
    await rename(draft, places.joined);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** @throws NodeError `NODE_JOINED` where the folder has no store of its own */
export function refuseJoined(places: TreePlaces): void {
  if (!existsSync(places.joined)) return;
  throw new NodeError(
    "NODE_JOINED",
    `${places.directory} has joined the tree of another machine; its hub runs there`,
    { details: { directory: places.directory } },
  );
}
