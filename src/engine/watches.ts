import type { AbortOptions } from "../base/abort.ts";
import { Feed } from "../base/iteration.ts";
import type { Path } from "../wire/path.ts";
import { subtreeRange } from "../wire/path-key.ts";
import type { Cursor, EngineEvent, EngineWatch, Revision, WatchOptions } from "./engine.ts";
import { PrefixIndex } from "./prefix-index.ts";
import {
  type Change,
  inRange,
  type KeyRange,
  PAGE_LIMITS,
  type PageLimits,
  type Store,
} from "./store.ts";
import { type WaitingChange, WaitingChanges, waitingChange } from "./waiting-changes.ts";

/** What a watch reads: the part of a store that it needs. */
export type WatchSource = Pick<Store, "id" | "revision" | "page" | "changes">;

const DEFAULT_MAX_BACKLOG = 10_000;
/** What is handed out at a time: it may be long on its way, as bytes of its own. */
const BATCH_LIMITS: PageLimits = { entries: PAGE_LIMITS.entries, bytes: 256 * 1024 };
/** A backlog of few but large values is as bad as one of many. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

/** All watches of one store: hands each change to those whose prefix it lies under. */
export class Watches {
  readonly #source: WatchSource;
  readonly #byPrefix = new PrefixIndex<StoreWatch>();
  readonly #open = new Set<StoreWatch>();
  readonly #waiting: WaitingChanges;

  constructor(source: WatchSource) {
    this.#source = source;
    this.#waiting = new WaitingChanges(source);
  }

  get size(): number {
    return this.#open.size;
  }

  open(prefix: Path, options: WatchOptions = {}): EngineWatch {
    const watch: StoreWatch = new StoreWatch(this.#source, subtreeRange(prefix), {
      ...options,
      waiting: this.#waiting,
      onEnd: () => {
        this.#open.delete(watch);
        this.#byPrefix.delete(prefix, watch);
      },
    });
    this.#open.add(watch);
    this.#byPrefix.add(prefix, watch);
    watch.abortWith(options.signal);
    return watch;
  }

  /** Whether one of them is over the place of this change. */
  awaits({ event }: Change): boolean {
    let found = false;
    this.#byPrefix.forEach(event.entry.path, () => {
      found = true;
    });
    return found;
  }

  /** The changes of one commit, when the source's `revision` says so already. */
  announce(changes: readonly Change[]): void {
    const told: WaitingChange[] = [];
    for (const change of changes) {
      let one: WaitingChange | undefined;
      this.#byPrefix.forEach(change.event.entry.path, (watch) => {
        one ??= waitingChange(change);
        watch.push(one);
      });
      if (one !== undefined) told.push(one);
    }
    for (const watch of this.#open) watch.announced();
    this.#waiting.keep(told);
  }

  /** Ends them all; with an `error`, that is what their readers get. */
  close(error?: Error): void {
    for (const watch of this.#open) watch.end(error === undefined ? undefined : { reason: error });
  }
}

/**
 * Where a watch is.
 *
 * - `pending`: the current entries have to be read from the start, and none was yet
 * - `scan`: reading them page by page; what is newer than the scan's base waits in the queue
 * - `settle`: all are read, but the scan saw commits that are not announced yet
 * - `catch-up`: reading the log from the cursor to where the queue begins
 * - `follow`: the queue is all there is
 */
type Phase = "pending" | "scan" | "settle" | "catch-up" | "follow" | "ended";

interface StoreWatchOptions extends Omit<WatchOptions, keyof AbortOptions> {
  readonly waiting: WaitingChanges;
  readonly onEnd: () => void;
}

/**
 * One reader's watch. Memory is bounded: pages are read when they are asked for, what is large waits in
 * the log, and a queue that runs over is dropped for a "reset", after which nothing is queued until the
 * reader comes back.
 */
class StoreWatch extends Feed<readonly EngineEvent[]> implements EngineWatch {
  readonly #source: WatchSource;
  readonly #range: KeyRange;
  readonly #maxBacklog: number;
  readonly #onEnd: () => void;
  #phase: Phase;
  readonly #waiting: WaitingChanges;
  #queue: WaitingChange[] = [];
  #queueBytes = 0;
  /** Something was queued that its reader is not told of. */
  #hasNews = false;
  /** The scan takes entries up to this revision; the queue holds what is newer. */
  #base: Revision;
  /** The newest commit that the scan has seen. */
  #seen: Revision = 0;
  #position: Uint8Array;
  #delivered: Revision;
  #store: string;
  #reset: (EngineEvent & { type: "reset" })["cause"] | undefined;
  /** A resumed watch says "live" once, when it has caught up. */
  #owesLive: boolean;

  constructor(source: WatchSource, range: KeyRange, options: StoreWatchOptions) {
    super();
    const { after, maxBacklog = DEFAULT_MAX_BACKLOG, waiting, onEnd } = options;
    this.#source = source;
    this.#waiting = waiting;
    this.#range = range;
    this.#position = range.start;
    this.#maxBacklog = maxBacklog;
    this.#onEnd = onEnd;
    this.#base = source.revision;
    this.#owesLive = after !== undefined;
    this.#delivered = after?.revision ?? 0;
    this.#store = after?.store ?? source.id;
    this.#phase = "pending";
    if (after === undefined) return;
    if (after.store !== source.id) this.#reset = "store";
    else if (after.revision > source.revision) this.#reset = "history";
    else this.#phase = "catch-up";
  }

  get cursor(): Cursor {
    const drained = this.#phase === "follow" && this.#queue.length === 0;
    return {
      store: this.#store,
      revision: drained ? this.#source.revision : this.#delivered,
    };
  }

  push(change: WaitingChange): void {
    if (this.#phase === "pending" || this.#phase === "ended") return;
    change.readers++;
    this.#queue.push(change);
    this.#queueBytes += change.weight;
    if (this.#queue.length > this.#maxBacklog || this.#queueBytes > MAX_BACKLOG_BYTES) {
      this.#restart("overflow");
    }
    this.#hasNews = true;
  }

  /** A commit is announced as a whole, perhaps what a scan waits for. */
  announced(): void {
    if (!this.#hasNews && this.#phase !== "settle") return;
    this.#hasNews = false;
    this.wake();
  }

  protected override take(): readonly EngineEvent[] | undefined {
    do {
      const batch = this.#produce();
      if (batch.length > 0) return batch;
    } while (!this.#idle);
    return undefined;
  }

  protected override whenEnded(): void {
    this.#phase = "ended";
    this.#clear();
    this.#onEnd();
  }

  /** Nothing can be produced before something is announced. */
  get #idle(): boolean {
    if (this.#phase === "settle") return this.#source.revision < this.#seen;
    return this.#phase === "follow" && this.#queue.length === 0;
  }

  #produce(): EngineEvent[] {
    switch (this.#phase) {
      case "pending":
        return this.#begin();
      case "scan":
        return this.#scan();
      case "settle":
        return this.#settle();
      case "catch-up":
        return this.#catchUp();
      case "follow":
        return this.#shift();
      case "ended":
      default:
        return [];
    }
  }

  #begin(): EngineEvent[] {
    this.#phase = "scan";
    this.#base = this.#source.revision;
    this.#seen = this.#base;
    this.#position = this.#range.start;
    this.#delivered = 0;
    this.#store = this.#source.id;
    const cause = this.#reset;
    this.#reset = undefined;
    const page = this.#scan();
    return cause === undefined ? page : [{ type: "reset", cause }, ...page];
  }

  #scan(): EngineEvent[] {
    const { entries, next, revision } = this.#source.page(
      { start: this.#position, end: this.#range.end },
      BATCH_LIMITS,
    );
    this.#seen = Math.max(this.#seen, revision);
    const events: EngineEvent[] = [];
    for (const entry of entries) {
      // What is newer than the base is in the queue, or will be.
      if (entry.revision <= this.#base) events.push({ type: "put", entry });
    }
    if (next !== undefined) {
      this.#position = next;
      return events;
    }
    this.#phase = "settle";
    events.push(...this.#settle());
    return events;
  }

  #settle(): EngineEvent[] {
    // An entry that such a commit replaced was in no page: "ready" would be a lie.
    if (this.#source.revision < this.#seen) return [];
    const events = this.#shift();
    if (this.#queue.length > 0 || this.#phase !== "settle") return events;
    this.#phase = "follow";
    this.#delivered = this.#source.revision;
    events.push({ type: "ready", revision: this.#delivered });
    return this.#payLive(events);
  }

  #catchUp(): EngineEvent[] {
    const changes = this.#source.changes(this.#delivered, PAGE_LIMITS.entries);
    if (changes === undefined) {
      this.#restart("history");
      return [];
    }
    const events: EngineEvent[] = [];
    let through = this.#base;
    if (changes.length > 0) {
      const last = changes.at(-1)?.event.entry.revision ?? this.#base;
      through = Math.min(last, this.#base);
      for (const { key, event } of changes) {
        if (event.entry.revision <= this.#base && inRange(key, this.#range)) events.push(event);
      }
    }
    this.#delivered = through;
    if (through < this.#base) return events;
    this.#phase = "follow";
    return this.#payLive(events);
  }

  #payLive(events: EngineEvent[]): EngineEvent[] {
    if (this.#owesLive) events.push({ type: "live" });
    this.#owesLive = false;
    return events;
  }

  /** The queue, as much as makes one batch. */
  #shift(): EngineEvent[] {
    const events: EngineEvent[] = [];
    const queue = this.#queue;
    let read: readonly Change[] = [];
    let readFrom = 0;
    let bytes = 0;
    for (const { change, weight, revision } of queue) {
      const at = events.length;
      if (at === BATCH_LIMITS.entries || bytes >= BATCH_LIMITS.bytes) break;
      if (change === undefined && at >= readFrom + read.length) {
        read = this.#waiting.again(queue, at, BATCH_LIMITS);
        readFrom = at;
      }
      const { event } = change ?? read[at - readFrom] ?? {};
      if (event === undefined) {
        // The log has it no more.
        this.#restart("overflow");
        return events;
      }
      events.push(event);
      bytes += weight;
      if (this.#phase === "follow") this.#delivered = revision;
    }
    for (let at = 0; at < events.length; at++) this.#waiting.done(queue[at] as WaitingChange);
    queue.splice(0, events.length);
    this.#queueBytes -= bytes;
    return events;
  }

  #restart(cause: "history" | "overflow"): void {
    this.#phase = "pending";
    this.#reset = cause;
    this.#clear();
  }

  #clear(): void {
    for (const change of this.#queue) this.#waiting.done(change);
    this.#queue = [];
    this.#queueBytes = 0;
  }
}
