import { existsSync } from "node:fs";
import { dirname } from "node:path";

import { systemClock, type Clock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { BanyanError, NodeError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import { silentLog, type Log } from "../base/log.ts";
import { pause } from "../base/pause.ts";
import type { Channel, Listener } from "../channel/channel.ts";
import { listenUnix } from "../channel/unix.ts";
import type { Engine } from "../engine/engine.ts";
import { giveUpReserve } from "../engine/reserve.ts";
import { serveEngine } from "../engine/hub-server.ts";
import { type LmdbEngine, openLmdb } from "../engine/lmdb.ts";
import { openSessionWith, type Session, type SessionOptions } from "../remote/session.ts";
import { refuseBlocking } from "../remote/sync/session.ts";
import { isCertainlyGone, isStopped, ownProcess } from "../runner/process-identity.ts";
import type { RuleRunner } from "../tree/rules/rule-runner.ts";
import { RuledEngine } from "../tree/rules/ruled-engine.ts";
import type { SecretKeys } from "../tree/secrets/secret-keys.ts";
import { Path } from "../wire/path.ts";
import { VERSION } from "./version.ts";
import { removeDeadSockets } from "./dead-sockets.ts";
import { offerOf } from "./direct.ts";
import { dialHub } from "./hub-dial.ts";
import { readHubRecord, removeHubRecord, writeHubRecord, type HubRecord } from "./hub-record.ts";
import { refuseJoined } from "./joined.ts";
import { startKeeper } from "./keep-hub.ts";
import { LockFile } from "./lock-file.ts";
import { NetworkDoor } from "./network-door.ts";
import { type FileIdentity, identityOf, isSameFile } from "./file-identity.ts";
import { watchOverPredecessor } from "./predecessor.ts";
import { ReaderWatch } from "./reader-watch.ts";
import { RulesApart } from "./rules-apart.ts";
import { folderKeys, givenKeys, givenKeysFrom } from "./secret-key.ts";
import { isSupervised } from "./supervise.ts";
import { hubAddress, placesOf, type TreePlaces } from "./tree-folder.ts";

export interface RunHubOptions {
  /** The folder that holds `.banyan`. */
  readonly directory: string;
  /** How long it stays without a session; `Infinity`: until the signal. */
  readonly idleMs: number;
  /** Ends it in order. */
  readonly signal: AbortSignal;
  readonly log?: Log;
  readonly clock?: Clock;
  /** Holds the key of the tree's secrets. Default: what the environment says, or the tree's folder. */
  readonly secretKeyFile?: string | undefined;
  /** Called once, when clients can come. */
  readonly onReady?: (record: HubRecord) => void;
}

/** Why a hub ended. "present": there was one already, and this one never began. */
export type HubEnd = "asked" | "idle" | "deposed" | "failed" | "present";

/** How long a hub that starts may hold the others up. */
const START_WAIT_MS = 10_000;

/** How long it stays at least for the one who started it. */
const FIRST_MS = 2_000;

/** When it tidies up after those before it: its clients come first. */
const TIDY_MS = 1_000;

/** How often a hub looks whether it still is the hub. */
const CHECK_MS = 500;

/** How often a hub that listens on the network looks whether somebody would bring it back. */
const KEEPER_MS = 5_000;

/** How long an orderly end waits for answers that are under way. */
const CLOSE_MS = 2_000;

/**
 * Is the hub of a tree until the signal, until nobody has used it for `idleMs`, or until another hub
 * took the store: the one process that writes it, and serves everybody else over a private socket.
 *
 * Of hubs that start at the same time one goes on, and the others return "present".
 *
 * @throws NodeError `NODE_TREE_IN_USE`, `NODE_HUB_FAILED`, `NODE_NO_TREE` where it was removed meanwhile; EngineError `ENGINE_FORMAT`,
 *   `ENGINE_CORRUPT`, `ENGINE_FULL` where the store can't be opened
 */
export async function runHub(options: RunHubOptions): Promise<HubEnd> {
  // Nobody is served while it blocks.
  using _ = refuseBlocking("it is the hub's, and all wait for that; use connect() and await");
  const places = placesOf(options.directory);
  refuseJoined(places);
  const lock = await takeStart(places, options);
  let hub: Hub | undefined;
  try {
    const before = await readHubRecord(places.hubRecord);
    if (before !== undefined && (await isAnswering(before))) return "present";
    hub = await Hub.open(places, before, options);
  } catch (error) {
    const folder = dirname(places.store);
    if (existsSync(folder)) throw error;
    const says = `${folder} is gone: somebody removed the tree`;
    throw new NodeError("NODE_NO_TREE", says, { cause: error });
  } finally {
    await lock.release();
  }
  options.onReady?.(hub.record);
  return await hub.run();
}

async function takeStart(places: TreePlaces, options: RunHubOptions): Promise<LockFile> {
  const { clock = systemClock, signal } = options;
  const since = clock.now();
  for (;;) {
    const lock = await LockFile.take(places.hubLock, "hub");
    if (lock instanceof LockFile) return lock;
    if (lock.role !== "hub") {
      throw new NodeError(
        "NODE_TREE_IN_USE",
        `process ${lock.pid} has opened the tree in ${places.directory} for itself alone`,
        { details: { pid: lock.pid } },
      );
    }
    if (clock.now() - since > START_WAIT_MS) {
      throw new NodeError(
        "NODE_HUB_FAILED",
        `process ${lock.pid} has been starting a hub for more than ${START_WAIT_MS / 1000} s`,
        { details: { pid: lock.pid } },
      );
    }
    await pause(20, { clock, signal });
  }
}

async function isAnswering(record: HubRecord): Promise<boolean> {
  if (isCertainlyGone(record) || isStopped(record)) return false;
  try {
    const session = await dialHub(record);
    await session.close();
    return true;
  } catch {
    return false;
  }
}

function keysOf({ directory, secretKeyFile }: RunHubOptions): SecretKeys {
  const given = givenKeysFrom(process.env, secretKeyFile);
  return given === undefined ? folderKeys(directory) : givenKeys(given);
}

class Hub {
  #record: HubRecord;
  readonly #places: TreePlaces;
  readonly #options: RunHubOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #store: LmdbEngine;
  /** The store, with the rules of its tree applied: what everybody gets. */
  readonly #engine: Engine;
  readonly #sessions = new Set<Session>();
  readonly #end = deferred<HubEnd>();
  /** Which directory the store is: another of the same name is another store. */
  readonly #file: FileIdentity | undefined;
  /** Undefined where nobody could read the store itself. */
  readonly #readers: ReaderWatch | undefined;
  readonly #door: NetworkDoor;
  #listener: Listener | undefined;
  #isClosing = false;
  /** When it was last seen to that somebody would bring this hub back. */
  #keptAt = -Infinity;
  #idle: Disposable | undefined;

  private constructor(
    { store, engine }: { readonly store: LmdbEngine; readonly engine: Engine },
    record: HubRecord,
    places: TreePlaces,
    options: RunHubOptions & { readonly predecessor: number | undefined },
  ) {
    this.#store = store;
    this.#engine = engine;
    this.#record = record;
    this.#places = places;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#file = identityOf(places.store);
    const offer = offerOf(places.store);
    this.#readers =
      offer &&
      new ReaderWatch({
        offer,
        slots: () => store.readers(),
        revision: () => store.revision,
        asked: () => store.watched(),
        hold: () => store.hold(),
        clock: this.#clock,
        log: this.#log,
        predecessor: options.predecessor,
      });
    this.#door = new NetworkDoor({
      engine,
      places,
      info: record,
      clock: this.#clock,
      log: this.#log,
      secretKeys: keysOf(options),
      hold: (session) => this.#hold(session),
    });
  }

  get record(): HubRecord {
    return this.#record;
  }

  static async open(
    places: TreePlaces,
    before: HubRecord | undefined,
    options: RunHubOptions,
  ): Promise<Hub> {
    const epoch = randomId().slice(0, 8);
    const { clock = systemClock, log = silentLog } = options;
    let store: LmdbEngine;
    {
      // It may be frozen inside a write, and then holds the store's lock for good.
      using _watch = watchOverPredecessor(before, log);
      store = await openStore(places.store);
    }
    const engine = await ruled(store, new RulesApart({ clock, log }));
    const record: HubRecord = {
      ...ownProcess(),
      socket: hubAddress(places.directory, epoch),
      epoch,
      version: VERSION,
    };
    const hub = new Hub({ store, engine }, record, places, {
      ...options,
      predecessor: before?.pid,
    });
    try {
      hub.#listener = await listenUnix(record.socket, (channel) => void hub.#accept(channel));
      if (!(await hub.#look())) await writeHubRecord(places.hubRecord, record);
    } catch (error) {
      await hub.#door.close();
      await hub.#listener?.close();
      await engine.close();
      throw error;
    }
    return hub;
  }

  async run(): Promise<HubEnd> {
    const { signal } = this.#options;
    const asked = (): void => this.#end.resolve("asked");
    signal.addEventListener("abort", asked, { once: true });
    if (signal.aborted) asked();
    // Not one of the clock's timers: this one keeps the process alive.
    const check = setInterval(() => void this.#check(), CHECK_MS);
    this.#watchIdle(Math.max(this.#options.idleMs, FIRST_MS));
    using _timer = this.#clock.after(TIDY_MS, () => void this.#tidy());
    const end = await this.#end.promise;
    clearInterval(check);
    signal.removeEventListener("abort", asked);
    this.#log.info(`the hub ends: ${end}`);
    await this.#close(end);
    return end;
  }

  async #tidy(): Promise<void> {
    try {
      const removed = await removeDeadSockets(this.record.socket);
      if (removed > 0) this.#log.info("sockets of hubs that are gone were removed", { removed });
    } catch (error) {
      this.#log.warn("sockets of former hubs could not be removed", { error: String(error) });
    }
  }

  async #accept(channel: Channel): Promise<void> {
    const serving = serveEngine(this.#engine, this.record, this.#log, this.#readers);
    try {
      const options: SessionOptions = {
        exports: serving.exports,
        plain: "copy",
        name: `hub ${this.record.pid}`,
        log: this.#log,
      };
      const session = await openSessionWith(channel, options, serving.begin);
      using _ = this.#hold(session);
      await session.closed;
    } catch (error) {
      // Whoever it was did not speak our protocol; nobody else is disturbed.
      this.#log.warn(`a connection was refused: ${(error as Error).message}`);
    } finally {
      serving.end();
    }
  }

  /** While there are sessions, the hub stays. */
  #hold(session: Session): Disposable {
    this.#sessions.add(session);
    this.#idle?.[Symbol.dispose]();
    return {
      [Symbol.dispose]: () => {
        this.#sessions.delete(session);
        this.#watchIdle();
      },
    };
  }

  /** Listens where it is asked to by now. @returns whether the record says something new of it */
  async #look(): Promise<boolean> {
    if (this.#isClosing || !(await this.#door.look())) return false;
    const listening = this.#door.addresses;
    this.#record = { ...this.#record, listening };
    this.#watchIdle();
    await writeHubRecord(this.#places.hubRecord, this.#record);
    return true;
  }

  /** Who comes from the network can't start another hub. A supervisor does it anyway. */
  async #beKept(): Promise<void> {
    const now = this.#clock.now();
    if (this.#isClosing || this.#door.addresses.length === 0) return;
    if (isSupervised(process.env) || now - this.#keptAt < KEEPER_MS) return;
    this.#keptAt = now;
    await startKeeper(this.#places).catch((error: unknown) => {
      this.#log.error("nobody would bring this hub back", { error: String(error) });
    });
  }

  #watchIdle(idleMs = this.#options.idleMs): void {
    this.#idle?.[Symbol.dispose]();
    if (this.#sessions.size > 0 || idleMs === Infinity) return;
    // Nobody who comes from the network could start another.
    if (this.#door.addresses.length > 0) return;
    this.#idle = this.#clock.after(idleMs, () => {
      if (this.#sessions.size === 0) this.#end.resolve("idle");
    });
  }

  /** A hub that was frozen finds here that the world went on without it. */
  async #check(): Promise<void> {
    const record = await readHubRecord(this.#places.hubRecord);
    if (record !== undefined && record.epoch !== this.record.epoch) this.#end.resolve("deposed");
    try {
      // What is written to a removed file is lost, and acknowledging it would be a lie.
      if (!isSameFile(this.#places.store, this.#file)) {
        throw new NodeError("NODE_NO_TREE", `${this.#places.store} was removed`);
      }
      // Somebody tidied up: without it nobody would find this hub.
      if (record === undefined && !this.#isClosing)
        await writeHubRecord(this.#places.hubRecord, this.record);
      this.#store.checkOwner();
      await this.#look();
      await this.#beKept();
      await this.#store.get(Path.root);
      this.#readers?.check();
    } catch (error) {
      this.#log.error(`the store can't go on: ${(error as Error).message}`);
      this.#end.resolve("failed");
    }
  }

  async #close(end: HubEnd): Promise<void> {
    this.#isClosing = true;
    this.#idle?.[Symbol.dispose]();
    // First the record: whoever comes now is to start another instead of meeting one that goes.
    await removeHubRecord(this.#places.hubRecord, this.record.epoch);
    await this.#door.close();
    await this.#listener?.close();
    const sessions = [...this.#sessions];
    if (end === "asked" || end === "idle") {
      const closed = Promise.allSettled(sessions.map((session) => session.close()));
      await Promise.race([closed, pause(CLOSE_MS, { clock: this.#clock })]);
    }
    const gone = new NodeError("NODE_HUB_FAILED", `the hub ended: ${end}`);
    for (const session of sessions) session.abort(gone);
    await this.#engine.close();
  }
}

/** On a full disk in what was kept for it: it takes some pages to take a store over. */
async function openStore(directory: string): Promise<LmdbEngine> {
  try {
    return await openLmdb(directory);
  } catch (error) {
    if (!BanyanError.has(error, "ENGINE_FULL") || !giveUpReserve(directory)) throw error;
    return await openLmdb(directory);
  }
}

async function ruled(store: LmdbEngine, runner: RuleRunner): Promise<RuledEngine> {
  try {
    return await RuledEngine.open(store, runner);
  } catch (error) {
    await store.close();
    throw error;
  }
}
