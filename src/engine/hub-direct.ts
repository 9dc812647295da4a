import { type Deferred, deferred } from "../base/deferred.ts";
import { BanyanError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Path, PathElement, PathLike } from "../wire/path.ts";
import {
  type DirectReads,
  type EntryInPlace,
  type ListOptions,
  NOT_NOW,
  type Page,
  type Revision,
} from "./engine.ts";
import type { HubSession } from "./hub-link.ts";
import type { ReaderSlot } from "./lmdb-readers.ts";

/** Where a hub lets clients read the store themselves: processes of the same user on the same machine. */
export interface DirectOffer {
  readonly directory: string;
  /** Which file it is: another of the same name is another store. */
  readonly device: number;
  readonly inode: number;
  /** Which processes can see each other: the store's lock file knows readers by their process ids. */
  readonly processes: string;
}

/** The store of a hub, read in place. Whatever throws is no longer usable. */
export interface StoreReader {
  /** The store's name, as the hub says it too. */
  readonly store: string | undefined;
  /** The store's last revision. */
  readonly revision: Revision;
  /** The last one that anybody may have been told of before it was there. */
  readonly told: Revision;
  /** How many entries the store says that it has; looking for it takes a while. */
  count(): number;
  /** The entry, until the next is read. */
  get(path: PathLike): EntryInPlace | undefined;
  page<T>(
    prefix: Path,
    options: Omit<ListOptions, "signal">,
    read: (entry: EntryInPlace) => T,
  ): Page<T, Path>;
  children<T>(
    path: Path,
    after: PathElement | undefined,
    read: (name: PathElement, entry: EntryInPlace | undefined) => T,
  ): Page<T, PathElement>;
  /** Who reads the store at this moment, this process too. */
  readers(): readonly ReaderSlot[];
  close(): Promise<void>;
}

/** Calls `open` at a moment in which the hub changes nothing: opening a store is not safe at others. */
export type Alone = <T>(open: () => T) => Promise<T>;

export interface HubDirectOptions {
  /** Opens the store that a hub offers; undefined where this process had better not. */
  readonly open: (
    offer: DirectOffer,
    hubPid: number,
    alone: Alone,
  ) => Promise<StoreReader | undefined>;
  readonly log: Log;
}

/** Reads over the socket before the store is opened: who asks for a few entries never opens it. */
const READS_BEFORE = 32;
/** How long reads may go on in one turn of the event loop before the others get theirs. */
const TURN_MS = 5;
/**
 * A read that took longer was frozen in the middle. The hub may have given its place in the table of
 * readers away by then, but not before many times as long.
 */
const FROZEN_MS = 1_000;

/** For how long a reader that was in the way asks the hub. */
const OFF_MS = 10_000;

/**
 * Direct reads of a hub's client: opens the store when it is worth it, and says at each moment whether
 * it may be read. Without a session it may not: another hub may be about to change what is there.
 */
export class HubDirect implements DirectReads {
  readonly #options: HubDirectOptions;
  #session: HubSession | undefined;
  #reader: StoreReader | undefined;
  /** The session whose hub knows that this process reads: who is stuck before that could not be helped. */
  #announced: HubSession | undefined;
  /** Which store `#reader` has open. */
  #offer: DirectOffer | undefined;
  #opening: Promise<void> | undefined;
  #closed = false;
  /** Until when the store is not opened again: it could not be read, or the hub wants it to be asked. */
  #offUntil = 0;
  #asked = 0;
  /** The last revision that the reader was seen to have. */
  #verified: Revision = 0;
  /** The turn in which something was read, and how long reading took in it. */
  #turn: NodeJS.Immediate | undefined;
  #turnSince = 0;
  #turnLast = 0;
  /** The others had their turn. */
  #nextTurn: Deferred<void> | undefined;

  constructor(options: HubDirectOptions) {
    this.#options = options;
  }

  /** Whether reads are possible, in this turn or the next. */
  get #ready(): boolean {
    const session = this.#session;
    return this.#reader !== undefined && session?.gone === false && this.#announced === session;
  }

  /** What `Engine.direct` is at this moment. */
  get now(): DirectReads | undefined {
    return this.#ready ? this : undefined;
  }

  get pause(): Promise<void> | undefined {
    if (this.#turn === undefined || this.#turnLast - this.#turnSince <= TURN_MS) return undefined;
    this.#nextTurn ??= deferred();
    return this.#nextTurn.promise;
  }

  /** A read is about to go over the socket. */
  count(): void {
    if (!this.#ready && ++this.#asked >= READS_BEFORE) this.#opening ??= this.#open();
  }

  /** The same. Resolves at once, or in a turn in which it need not go there. */
  async prepare(): Promise<void> {
    this.count();
    // Reads that never wait would keep everything else in this process from happening.
    while (this.#ready && this.pause !== undefined) await this.pause;
  }

  /** There is a session, before anything uses it. */
  up(session: HubSession): void {
    this.#session = session;
    this.#offUntil = 0;
    this.#verified = 0;
    const offer = session.hello.inPlace;
    if (this.#reader === undefined) return;
    if (offer !== undefined && this.#offer !== undefined && isSame(offer, this.#offer)) {
      void this.#announce(session);
    } else this.#drop("the store is another one");
  }

  /** Contact is lost. */
  down(): void {
    this.#session = undefined;
  }

  get<T>(path: PathLike, read: (entry: EntryInPlace) => T): T | undefined | typeof NOT_NOW {
    const reader = this.#current();
    if (reader === undefined) return NOT_NOW;
    const began = this.#begin();
    let found: EntryInPlace | undefined;
    try {
      found = reader.get(path);
    } catch (error) {
      return this.#failed(error, began);
    }
    if (!this.#isTimely(began)) return NOT_NOW;
    // What `read` throws is about the entry, not about the store.
    return found === undefined ? undefined : read(found);
  }

  page<T>(
    prefix: Path,
    options: Omit<ListOptions, "signal">,
    read: (entry: EntryInPlace) => T,
  ): Page<T, Path> | typeof NOT_NOW {
    return this.#read((reader) => reader.page(prefix, options, read));
  }

  children<T>(
    path: Path,
    after: PathElement | undefined,
    read: (name: PathElement, entry: EntryInPlace | undefined) => T,
  ): Page<T, PathElement> | typeof NOT_NOW {
    return this.#read((reader) => reader.children(path, after, read));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening;
    if (this.#turn !== undefined) clearImmediate(this.#turn);
    this.#endTurn();
    await this.#reader?.close();
    this.#reader = undefined;
  }

  #read<T>(read: (reader: StoreReader) => T): T | typeof NOT_NOW {
    const reader = this.#current();
    if (reader === undefined) return NOT_NOW;
    const began = this.#begin();
    try {
      const found = read(reader);
      return this.#isTimely(began) ? found : NOT_NOW;
    } catch (error) {
      return this.#failed(error, began);
    }
  }

  /** No later than the read that follows: in a turn in which something was read, the end of that. */
  #begin(): number {
    if (this.#turn !== undefined) return this.#turnLast;
    this.#turnLast = this.#turnSince = performance.now();
    this.#turn = setImmediate(this.#endTurn);
    return this.#turnSince;
  }

  /** Whether nothing can have changed under a read that ends now. */
  #isTimely(began: number): boolean {
    this.#turnLast = performance.now();
    return this.#turnLast - began <= FROZEN_MS;
  }

  readonly #endTurn = (): void => {
    this.#turn = undefined;
    this.#nextTurn?.resolve();
    this.#nextTurn = undefined;
  };

  #failed(error: unknown, began: number): typeof NOT_NOW {
    // Pages of the store that were written again under it look like anything.
    if (!this.#isTimely(began)) return NOT_NOW;
    // What the caller asked for is no path: the same in every way of asking.
    if (BanyanError.has(error, "WIRE_BAD_PATH")) throw error;
    return this.#fail(error);
  }

  /** The reader, where it has every write that anybody was told of. */
  #current(): StoreReader | undefined {
    const reader = this.#reader;
    if (reader === undefined) return undefined;
    try {
      // Before the read begins, which may see more.
      const { told } = reader;
      if (told > this.#verified) {
        this.#verified = reader.revision;
        if (told > this.#verified) return undefined;
      }
      return reader;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  async #open(): Promise<void> {
    try {
      const session = this.#session;
      const offer = session?.hello.inPlace;
      if (session === undefined || offer === undefined) return;
      if (performance.now() < this.#offUntil) return;
      const reader = await this.#options.open(offer, session.hello.pid, (open) =>
        openAlone(session, open),
      );
      if (reader === undefined) {
        this.#offUntil = Infinity;
        return;
      }
      const outdated = this.#closed || this.#session !== session || session.gone;
      if (outdated || reader.store !== session.hello.store) {
        await reader.close();
        return;
      }
      this.#offer = offer;
      this.#reader = reader;
      await this.#announce(session);
    } catch (error) {
      this.#offUntil = Infinity;
      this.#options.log.debug("the store can't be read directly", { error: String(error) });
    } finally {
      this.#opening = undefined;
      this.#asked = 0;
    }
  }

  /** Lets the hub know, so that it can tell this process when it is in the way. Until then nothing is read. */
  async #announce(session: HubSession): Promise<void> {
    const stop = (reason: string): void => {
      if (this.#session !== session) return;
      // A process that was frozen runs again: it gets another chance.
      this.#offUntil = performance.now() + OFF_MS;
      this.#drop(reason);
    };
    try {
      await session.hub.reading(process.pid, stop);
      this.#announced = session;
    } catch (error) {
      stop(String(error));
    }
  }

  #fail(error: unknown): typeof NOT_NOW {
    this.#offUntil = Infinity;
    this.#drop(String(error));
    return NOT_NOW;
  }

  #drop(reason: string): void {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#options.log.warn("reads go over the socket from now on", { reason });
    void reader?.close().catch((error: unknown) => {
      this.#options.log.debug("the store could not be closed", { error: String(error) });
    });
  }
}

async function openAlone<T>(session: HubSession, open: () => T): Promise<T> {
  await session.hub.opening();
  try {
    return open();
  } finally {
    await session.hub.opened();
  }
}

function isSame(a: DirectOffer, b: DirectOffer): boolean {
  return a.directory === b.directory && a.device === b.device && a.inode === b.inode;
}
