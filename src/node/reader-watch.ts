import { statSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Revision } from "../engine/engine.ts";
import type { DirectOffer } from "../engine/hub-direct.ts";
import type { DirectReader, DirectService } from "../engine/hub-server.ts";
import { evictReader, type ReaderSlot } from "../engine/lmdb-readers.ts";

/** A read takes microseconds, a page of a listing a few milliseconds: what takes longer does not run. */
const STUCK_MS = 2_000;
/** How long one may be stuck, and how much the store may grow meanwhile, before it loses its place. */
const EVICT_MS = 10_000;
const GROWTH_BYTES = 64 * 1024 * 1024;
/** Where much is written, the same sooner: many times as long still as a reader trusts what it has read. */
const EVICT_SOON_MS = 4_000;
const MUCH_GROWTH_BYTES = 4 * GROWTH_BYTES;

export interface ReaderWatchOptions {
  readonly offer: DirectOffer;
  /** Who has a place in LMDB's table of readers; those who died with one are not in it any more. */
  readonly slots: () => readonly ReaderSlot[];
  /** The store's last revision: while that stays, nobody is in the way. */
  readonly revision: () => Revision;
  /** See `DirectService`. */
  readonly asked: () => void;
  readonly hold: () => Promise<Disposable>;
  readonly clock: Clock;
  readonly log: Log;
  /** The hub before us, which holds on to what it last flushed: it may be frozen. */
  readonly predecessor?: number | undefined;
}

/** What is known of a read that goes on. */
interface Lag {
  /** Since when it is in the way, as far as is known; nothing was written since it was first seen until then. */
  since: number;
  readonly revision: Revision;
  /** How large the store's file was then. */
  readonly size: number;
  told: boolean;
  evicted: boolean;
}

/**
 * Keeps those who read the store themselves from doing harm. As long as a read goes on, no page that
 * was written since can be used again, and the file grows with every write. A reader that is stuck is
 * sent to the socket, and one that does not even hear that, because it is frozen, loses its place
 * before the file has grown too far. Programs that are none of ours, as a backup, are only told of.
 */
export class ReaderWatch implements DirectService {
  readonly offer: DirectOffer;
  readonly #options: ReaderWatchOptions;
  readonly #readers = new Set<DirectReader>();
  /** The processes that ever were readers of ours: one that is frozen loses its session. */
  readonly #known = new Set<number>();
  #lags = new Map<string, Lag>();

  constructor(options: ReaderWatchOptions) {
    this.offer = options.offer;
    this.#options = options;
    if (options.predecessor !== undefined) this.#known.add(options.predecessor);
  }

  add(reader: DirectReader): Disposable {
    this.#readers.add(reader);
    this.#known.add(reader.pid);
    return { [Symbol.dispose]: () => void this.#readers.delete(reader) };
  }

  asked(): void {
    this.#options.asked();
  }

  hold(): Promise<Disposable> {
    return this.#options.hold();
  }

  /** To be called now and then, between the store's writes. */
  check(): void {
    const { clock, slots } = this.#options;
    const now = clock.now();
    const revision = this.#options.revision();
    const before = this.#lags;
    this.#lags = new Map();
    for (const slot of slots()) {
      if (slot.transaction === undefined || slot.pid === process.pid) continue;
      const key = `${slot.pid} ${slot.thread} ${slot.transaction}`;
      const lag = before.get(key) ?? {
        since: now,
        revision,
        size: this.#size(),
        told: false,
        evicted: false,
      };
      this.#lags.set(key, lag);
      // Reads without end look like one while nothing is written.
      if (lag.revision === revision) lag.since = now;
      if (now - lag.since >= STUCK_MS) this.#stuck(slot, lag, now);
    }
  }

  #stuck(slot: ReaderSlot, lag: Lag, now: number): void {
    const { log } = this.#options;
    const grown = this.#size() - lag.size;
    if (!lag.told) {
      lag.told = true;
      const ours = [...this.#readers].filter(({ pid }) => pid === slot.pid);
      const seconds = Math.round((now - lag.since) / 1_000);
      for (const reader of ours) reader.stop(`a read of the store took more than ${seconds} s`);
      log.warn("a reader is stuck, and the store can't use old pages again", { pid: slot.pid });
    }
    const isLong = now - lag.since >= EVICT_MS && grown >= GROWTH_BYTES;
    const isMuch = now - lag.since >= EVICT_SOON_MS && grown >= MUCH_GROWTH_BYTES;
    if (lag.evicted || !(isLong || isMuch)) return;
    lag.evicted = true;
    if (!this.#known.has(slot.pid)) {
      log.warn("a foreign reader makes the store grow; end it", { pid: slot.pid, grown });
      return;
    }
    log.warn("a frozen reader loses its place", { pid: slot.pid, grown });
    evictReader(this.offer.directory, slot).then(
      (found) => log.info("the reader's place is free", { pid: slot.pid, found }),
      (error: unknown) => log.error("the reader could not be put out", { error: String(error) }),
    );
  }

  #size(): number {
    return statSync(join(this.offer.directory, "data.mdb")).size;
  }
}
