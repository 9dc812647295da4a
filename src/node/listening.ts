import { readFile, rename, rm, writeFile } from "node:fs/promises";

import { NodeError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import { parseHostAndPort } from "../channel/network.ts";
import type { TreePlaces } from "./tree-folder.ts";

/**
 * Checks an address that a hub is to listen on.
 *
 * @throws NodeError `NODE_BAD_URL`
 */
export function checkListenUrl(url: string): string {
  if (/^(tcp|ws):/i.test(url)) {
    const says = `${url}: passwords and values would cross the network for all to read; use tls://host:port`;
    throw new NodeError("NODE_BAD_URL", says);
  }
  try {
    parseHostAndPort(url, "tls");
  } catch (error) {
    const says = `a hub listens on tls://host:port, as tls://0.0.0.0:7800, not on ${url}`;
    throw new NodeError("NODE_BAD_URL", says, { cause: error });
  }
  return url;
}

/**
 * Where the hubs of a tree are to listen besides their socket: what `.banyan/listen.json` says. Every
 * hub obeys it, also one that takes over.
 *
 * @throws NodeError `NODE_HUB_FAILED` for a file that makes no sense
 */
export async function readListening(places: TreePlaces): Promise<readonly string[]> {
  const text = await readFile(places.listening, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return [];
  try {
    const { listen } = JSON.parse(text) as { listen?: unknown };
    if (!Array.isArray(listen)) throw new TypeError("listen is a list of addresses");
    return listen.map((url) => checkListenUrl(String(url)));
  } catch (error) {
    const says = `${places.listening} makes no sense: ${(error as Error).message}`;
    throw new NodeError("NODE_HUB_FAILED", says, { cause: error });
  }
}

/** Says where the hubs of a tree are to listen, from now on; nowhere, if the list is empty. */
export async function writeListening(places: TreePlaces, urls: readonly string[]): Promise<void> {
  const listen = urls.map(checkListenUrl);
  if (listen.length === 0) {
    await rm(places.listening, { force: true });
    return;
  }
  const draft = `${places.listening}.${randomId()}`;
  await writeFile(draft, `${JSON.stringify({ listen })}\n`, { mode: 0o600 });
  await rename(draft, places.listening);
}
