import { NodeError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import type { Log } from "../base/log.ts";
import { checkOptions, type OptionNames } from "../base/options.ts";
import type { Durability, Engine } from "../engine/engine.ts";
import { HubEngine } from "../engine/hub-client.ts";
import { MemoryEngine } from "../engine/memory.ts";
import { Tree } from "../tree/tree.ts";
import { checkDurability } from "../tree/write.ts";
import { openOffered } from "./direct.ts";
import { connectHub } from "./hub-connect.ts";
import { dialHub } from "./hub-dial.ts";
import type { Credentials } from "./network.ts";
import { treeDirectory, type FindTreeOptions } from "./tree-folder.ts";

export { treeDirectory } from "./tree-folder.ts";

export interface OpenOptions extends FindTreeOptions {
  /** Who writes; kept with every entry, for people. */
  readonly author?: string | undefined;
  /**
   * Who this is, for a hub on the network. Default: what the environment says, as BANYAN_TOKEN, or
   * BANYAN_USER and BANYAN_PASSWORD.
   */
  readonly credentials?: Credentials | undefined;
  /**
   * What writes outlive once they are acknowledged, unless they say themselves: `commit`, the default,
   * the end of every process; `flushed` a power failure, too.
   */
  readonly durability?: Durability | undefined;
  /** Keep the store in this process and nobody else's; refused while a hub serves it. */
  readonly exclusive?: boolean | undefined;
  /** Gives up waiting for the hub. What is open by then stays open. */
  readonly signal?: AbortSignal | undefined;
  readonly log?: Log | undefined;
}

const OPEN_OPTIONS: OptionNames<OpenOptions> = {
  author: true,
  create: true,
  credentials: true,
  cwd: true,
  durability: true,
  exclusive: true,
  log: true,
  signal: true,
};

/** How long a hub on the network may say nothing. */
const NETWORK_SILENCE_MS = 10_000;

/**
 * Opens a tree: a directory (its hub is started if need be), `unix:/socket` of a hub,
 * `tls://host:port#fingerprint` of one on the network, `memory:` for one that lives and dies with this
 * process; without a URL the nearest `.banyan` upwards. Writing is what makes a tree: without `create`,
 * a place that has none is an error.
 *
 * @throws NodeError `NODE_NO_TREE`, `NODE_BAD_URL`, `NODE_HUB_FAILED`, `NODE_TREE_IN_USE`; RemoteError
 *   `REMOTE_DENIED`; EngineError `ENGINE_FORMAT`, `ENGINE_CORRUPT`; TypeError for an address that is no string, and unknown options
 */
export async function open(url?: string, options: OpenOptions = {}): Promise<Tree> {
  checkOpening(url, options, "open");
  const engine = await makeEngine(url, options);
  return Tree.over(engine, { author: options.author, log: options.log });
}

/** The engine under `open`, for who needs no tree. It belongs to the caller. */
export async function openEngine(url?: string, options: OpenOptions = {}): Promise<Engine> {
  checkOpening(url, options, "openEngine");
  return makeEngine(url, options);
}

function checkOpening(url: unknown, options: OpenOptions, of: string): void {
  if (url !== undefined && typeof url !== "string") {
    const given = kindOf(url);
    throw new TypeError(
      `${of} takes the tree's address as a string, or undefined for the nearest tree, not ${given}`,
    );
  }
  checkOptions(options, OPEN_OPTIONS, of);
  checkDurability(options.durability);
}

async function makeEngine(url: string | undefined, options: OpenOptions): Promise<Engine> {
  const { durability, log, signal } = options;
  if (url === "memory:") return new MemoryEngine();
  if (url?.startsWith("unix:") === true) {
    if (!url.startsWith("unix:/")) {
      throw new NodeError(
        "NODE_BAD_URL",
        `${url}: give the whole path of the socket, as unix:/a/b`,
      );
    }
    return HubEngine.open({
      connect: (closed) => dialHub({ socket: url }, closed),
      openStore: openOffered,
      durability,
      signal,
      log,
    });
  }
  if (url !== undefined && /^(tls|tcp|wss?):/i.test(url)) {
    const { credentialsFrom, dialNetworkHub, parseNetworkUrl } = await import("./network.ts");
    const hub = parseNetworkUrl(url);
    const credentials = options.credentials ?? credentialsFrom(process.env);
    return HubEngine.open({
      connect: (closed) => dialNetworkHub(hub, credentials, closed),
      silenceMs: NETWORK_SILENCE_MS,
      durability,
      signal,
      log,
    });
  }
  const directory = await treeDirectory(url, options);
  if (options.exclusive === true) {
    // Only the owner of a store needs LMDB.
    const { openExclusive } = await import("./exclusive.ts");
    return openExclusive(directory, { durability });
  }
  return HubEngine.open({
    connect: (closed) => connectHub(directory, { signal: closed }),
    openStore: openOffered,
    durability,
    signal,
    log,
  });
}
