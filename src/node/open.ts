import { NodeError, TreeError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import type { Log } from "../base/log.ts";
import { checkOptions, type OptionNames } from "../base/options.ts";
import type { Durability, Engine } from "../engine/engine.ts";
import { HubEngine } from "../engine/hub-client.ts";
import type { HubDirectOptions } from "../engine/hub-direct.ts";
import { SYSTEM, systemPaths } from "../tree/system-paths.ts";
import type { SecretKeys } from "../tree/secrets/secret-keys.ts";
import { Tree } from "../tree/tree.ts";
import { checkDurability } from "../tree/write.ts";
import { connectHub } from "./hub-connect.ts";
import { dialHub } from "./hub-dial.ts";
import type { Credentials } from "./network.ts";
import { readJoined, refuseUnfinished } from "./joined.ts";
import { folderKeys, givenKeys, givenKeysFrom } from "./secret-key.ts";
import { StartedHubs } from "./started-hubs.ts";
import { placesOf, treeDirectory, type FindTreeOptions } from "./tree-folder.ts";

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
  /**
   * What secrets are sealed with, in base64, in the place of the key in the tree's folder. Default: what the
   * environment says, as BANYAN_SECRET_KEY.
   */
  readonly secretKey?: string | undefined;
  /** A file that holds it. Default: BANYAN_SECRET_KEY_FILE. */
  readonly secretKeyFile?: string | undefined;
  /** The set of conversions through which values are read and written. Default: none, as they are stored. */
  readonly codecs?: string | undefined;
}

const OPEN_OPTIONS: OptionNames<OpenOptions> = {
  author: true,
  codecs: true,
  create: true,
  credentials: true,
  cwd: true,
  durability: true,
  exclusive: true,
  log: true,
  secretKey: true,
  secretKeyFile: true,
  signal: true,
};

/** How long a hub on the network may say nothing. */
const NETWORK_SILENCE_MS = 10_000;

/**
 * Opens a tree: a directory (its hub is started if need be; one that has joined a tree on the network is that tree), `unix:/socket` of a hub,
 * `tls://host:port#fingerprint` of one on the network, `memory:` for one that lives and dies with this
 * process; without a URL the nearest `.banyan` upwards. Writing is what makes a tree: without `create`,
 * a place that has none is an error.
 *
 * @throws NodeError `NODE_NO_TREE`, `NODE_BAD_URL`, `NODE_BAD_CREDENTIALS`, `NODE_HUB_FAILED`, `NODE_TREE_IN_USE`; RemoteError
 *   `REMOTE_DENIED`; EngineError `ENGINE_FORMAT`, `ENGINE_CORRUPT`; TypeError for an address that is no string, and unknown options
 */
export async function open(url?: string, options: OpenOptions = {}): Promise<Tree> {
  checkOpening(url, options, "open");
  const engine = await openChecked(url, options);
  const { author, log } = options;
  return Tree.over(engine, { author, log, secretKeys: await keysOf(url, options) });
}

/** Those that are given, or those of the folder; none where the store is another machine's. */
async function keysOf(
  url: string | undefined,
  options: OpenOptions,
): Promise<SecretKeys | undefined> {
  const { secretKey: text, secretKeyFile: file } = options;
  const given = text === undefined ? givenKeysFrom(process.env, file) : { text };
  if (given !== undefined) return givenKeys(given);
  if (url !== undefined && /^(memory|unix|tls|tcp|wss?):/i.test(url)) return undefined;
  const directory = await treeDirectory(url, options);
  const joined = await readJoined(placesOf(directory));
  return joined === undefined || options.exclusive === true ? folderKeys(directory) : undefined;
}

/** The engine under `open`, for who needs no tree. It belongs to the caller. */
export async function openEngine(url?: string, options: OpenOptions = {}): Promise<Engine> {
  checkOpening(url, options, "openEngine");
  return openChecked(url, options);
}

/** A set of conversions that nobody has made would be a mistake that does not show. */
async function openChecked(url: string | undefined, options: OpenOptions): Promise<Engine> {
  const engine = await makeEngine(url, options);
  const { codecs, signal } = options;
  if (codecs === undefined) return engine;
  try {
    const set = systemPaths(SYSTEM).rule.concat(["convert", codecs]);
    for await (const _ of engine.list(set, { signal })) return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
  await engine.close();
  throw new TreeError(
    "TREE_NO_CODECS",
    `there is no set of conversions ${codecs}; see banyan rule convert set`,
  );
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
  for (const text of [options.secretKey, options.secretKeyFile]) {
    if (text === undefined || typeof text === "string") continue;
    throw new TypeError(`a key, and the name of its file, are text, not ${kindOf(text)}`);
  }
  const { codecs } = options;
  if (codecs !== undefined && typeof codecs !== "string") {
    throw new TypeError(`a set of conversions is named by a string, not ${kindOf(codecs)}`);
  }
}

async function makeEngine(url: string | undefined, options: OpenOptions): Promise<Engine> {
  const { codecs, durability, log, signal } = options;
  if (url === "memory:") return (await import("./own-store.ts")).openMemory(options);
  if (url?.startsWith("unix:") === true) {
    if (!url.startsWith("unix:/")) {
      throw new NodeError(
        "NODE_BAD_URL",
        `${url}: give the whole path of the socket, as unix:/a/b`,
      );
    }
    return HubEngine.open({
      connect: (closed) => dialHub({ socket: url }, closed),
      openStore,
      request: { codecs },
      durability,
      signal,
      log,
    });
  }
  if (url !== undefined && /^(tls|tcp|wss?):/i.test(url)) {
    return networkEngine(url, options);
  }
  const directory = await treeDirectory(url, options);
  const joined = await readJoined(placesOf(directory));
  if (joined !== undefined && options.exclusive !== true) {
    const { url: there, token } = joined;
    return networkEngine(there, { ...options, credentials: options.credentials ?? { token } });
  }
  refuseUnfinished(placesOf(directory));
  if (options.exclusive === true) {
    return (await import("./own-store.ts")).openAlone(directory, options);
  }
  const started = new StartedHubs();
  return HubEngine.open({
    connect: (closed) => connectHub(directory, { signal: closed, started }),
    openStore,
    request: { codecs },
    durability,
    signal,
    log,
  });
}

/** Few processes read so much that they come to it. */
const openStore: HubDirectOptions["open"] = async (...offered) =>
  (await import("./direct.ts")).openOffered(...offered);

/** The engine of a hub on the network. */
async function networkEngine(url: string, options: OpenOptions): Promise<Engine> {
  const { codecs, durability, signal, log } = options;
  const { checkCredentials, credentialsFrom, dialNetworkHub, parseNetworkUrl } =
    await import("./network.ts");
  const hub = parseNetworkUrl(url);
  const { credentials: given } = options;
  const credentials = given === undefined ? credentialsFrom(process.env) : checkCredentials(given);
  return HubEngine.open({
    connect: (closed) => dialNetworkHub(hub, credentials, closed),
    request: { codecs },
    silenceMs: NETWORK_SILENCE_MS,
    durability,
    signal,
    log,
  });
}
