import type { AbortOptions } from "../base/abort.ts";
import { Feed } from "../base/iteration.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import type { Cursor, EngineEvent, EngineWatch, Revision } from "../engine/engine.ts";
import type { Path } from "../wire/path.ts";
import { checkDepth, DEPTH_OPTIONS, type DepthOptions, isWithinDepth } from "./depth.ts";
import { type TreeEntry, toTreeEntry } from "./entry.ts";

/** What a watch tells its reader. */
export type TreeEvent =
  | { readonly type: "put"; readonly entry: TreeEntry }
  | {
      readonly type: "delete";
      readonly path: Path;
      readonly revision: Revision;
      readonly author: string;
      readonly time: number;
    }
  /** Every entry there was at `revision` has been delivered, in `count` events. */
  | { readonly type: "ready"; readonly revision: Revision; readonly count: number }
  /**
   * The watch can't go on from where it stood: the current entries follow up to the next "ready",
   * and what they do not mention is gone.
   */
  | { readonly type: "reset"; readonly cause: "history" | "overflow" | "store" | "rights" }
  /** Contact with the store was lost: what was delivered may be out of date. */
  | { readonly type: "stale" }
  /** Contact is back, and everything missed has been delivered. */
  | { readonly type: "live" };

export interface TreeWatchOptions extends DepthOptions, AbortOptions {
  /** Goes on behind this cursor, with the changes since or with a "reset". */
  after?: Cursor | undefined;
  /** False leaves out the entries that are there at the start; "ready" comes all the same. */
  current?: boolean | undefined;
  /** Changes that may wait for the reader before it gets a "reset" instead. Default 10,000. */
  maxBacklog?: number | undefined;
}

const WATCH_OPTIONS: OptionNames<TreeWatchOptions> = {
  ...DEPTH_OPTIONS,
  ...ABORT_OPTIONS,
  after: true,
  current: true,
  maxBacklog: true,
};

/** @throws TypeError, RangeError for what are no options of a watch */
export function checkWatchOptions(options: TreeWatchOptions): void {
  checkOptions(options, WATCH_OPTIONS, "tree.watch");
  checkDepth(options);
  const { after, maxBacklog } = options;
  if (after !== undefined && !isCursor(after)) {
    throw new TypeError("`after` of tree.watch is a cursor, as `watch.cursor` gives it");
  }
  if (maxBacklog !== undefined && !(maxBacklog >= 1)) {
    throw new RangeError("`maxBacklog` of tree.watch is a number from 1 on");
  }
}

function isCursor(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { store, revision } = value as Partial<Cursor>;
  return typeof store === "string" && Number.isSafeInteger(revision) && Number(revision) >= 0;
}

interface Waiting {
  readonly resolve: (result: IteratorResult<TreeEvent, void>) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The events of a subtree, one by one, for one reader: the current entries, "ready", then every
 * change exactly once in the order of revisions; what changes while the current entries are read
 * comes before "ready". One that goes on from a cursor says "live" when it has caught up instead. A
 * reader that falls behind `maxBacklog` gets a "reset".
 *
 * Breaking out of the loop, `close()` and closing the tree end it; so does the signal, whose reason
 * the reader is thrown.
 */
export class TreeWatch implements AsyncIterableIterator<TreeEvent>, AsyncDisposable {
  readonly #source: EngineWatch;
  readonly #batches: AsyncIterator<readonly EngineEvent[]>;
  readonly #prefix: Path;
  readonly #depth: DepthOptions;
  readonly #onEnd: () => void;
  /** The batch that is being handed out, and how much of it has been. */
  #batch: readonly EngineEvent[] = [];
  #at = 0;
  readonly #waiting: Waiting[] = [];
  /** A batch is waited for. */
  #pulling = false;
  #isOver = false;
  readonly #woken = (): void => {
    this.#pulling = false;
    this.#serve();
  };
  /** In "skipping" are the current entries that were not asked for. */
  #phase: "skipping" | "listing" | "following";
  #count = 0;
  #cursor: Cursor;

  /** Owns `source`. `onEnd` is called once or more when it has ended. */
  constructor(
    source: EngineWatch,
    prefix: Path,
    options: TreeWatchOptions & { readonly onEnd: () => void },
  ) {
    this.#source = source;
    this.#batches = source[Symbol.asyncIterator]();
    this.#prefix = prefix;
    this.#depth = options;
    this.#onEnd = options.onEnd;
    if (options.after !== undefined) this.#phase = "following";
    else this.#phase = options.current === false ? "skipping" : "listing";
    this.#cursor = source.cursor;
  }

  /** Where the reader stands, for `after`: behind the last event that it was given. */
  get cursor(): Cursor {
    return this.#cursor;
  }

  next(): Promise<IteratorResult<TreeEvent, void>> {
    if (this.#waiting.length === 0 && !this.#isOver) {
      const value = this.#take();
      if (value !== undefined) return Promise.resolve({ done: false, value });
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#serve();
    });
  }

  async return(): Promise<IteratorResult<TreeEvent, void>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Ends it: a pending `next()` is done. Idempotent. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#source[Symbol.asyncDispose]();
    this.#end();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Gives those who wait what is there: a reader that is woken has the event at once. */
  #serve(): void {
    while (this.#waiting.length > 0) {
      const value = this.#isOver ? undefined : this.#take();
      if (value === undefined && !this.#isOver) return;
      const waiting = this.#waiting.shift();
      waiting?.resolve(value === undefined ? { done: true, value } : { done: false, value });
    }
  }

  #take(): TreeEvent | undefined {
    while (!this.#pulling) {
      while (this.#at < this.#batch.length) {
        const event = this.#batch[this.#at++] as EngineEvent;
        this.#advance(event);
        const translated = this.#translate(event);
        if (translated !== undefined) return translated;
      }
      if (this.#batch.length > 0) this.#cursor = this.#source.cursor;
      this.#batch = this.#pull() ?? [];
      this.#at = 0;
    }
    return undefined;
  }

  /** The next batch, if it is there; otherwise those who wait are served when it is. */
  #pull(): readonly EngineEvent[] | undefined {
    this.#pulling = true;
    const source = this.#source;
    if (source instanceof Feed) {
      const batch = this.#poll(source as Feed<readonly EngineEvent[]>);
      if (batch !== undefined) this.#pulling = false;
      if (batch !== undefined || !source.ended) return batch;
    }
    void this.#read();
    return undefined;
  }

  #poll(source: Feed<readonly EngineEvent[]>): readonly EngineEvent[] | undefined {
    try {
      return source.poll(this.#woken);
    } catch (reason) {
      source.end({ reason });
      return undefined;
    }
  }

  async #read(): Promise<void> {
    try {
      const { done, value } = await this.#batches.next();
      if (done === true) this.#end();
      else this.#batch = value;
    } catch (error) {
      this.#isOver = true;
      this.#waiting.shift()?.reject(error);
      this.#end();
    }
    this.#woken();
  }

  #end(): void {
    this.#isOver = true;
    this.#serve();
    this.#onEnd();
  }

  /** Moves the cursor over `event`; there is no going on from within a listing. */
  #advance(event: EngineEvent): void {
    if (event.type === "reset") this.#phase = this.#phase === "skipping" ? "skipping" : "listing";
    if (event.type === "ready") this.#phase = "following";
    if (this.#phase !== "following") return;
    if (event.type === "ready") this.#stand(event.revision);
    if (event.type === "put" || event.type === "delete") this.#stand(event.entry.revision);
  }

  #stand(revision: Revision): void {
    this.#cursor = { store: this.#source.cursor.store, revision };
  }

  #translate(event: EngineEvent): TreeEvent | undefined {
    switch (event.type) {
      case "put":
        if (!this.#wants(event.entry.path)) return undefined;
        this.#count += 1;
        return { type: "put", entry: toTreeEntry(event.entry) };
      case "delete":
        return this.#wants(event.entry.path) ? { type: "delete", ...event.entry } : undefined;
      case "ready":
        return { type: "ready", revision: event.revision, count: this.#count };
      case "reset":
        this.#count = 0;
        return event;
      case "stale":
      case "live":
      default:
        return event;
    }
  }

  #wants(path: Path): boolean {
    return this.#phase !== "skipping" && isWithinDepth(path, this.#prefix, this.#depth);
  }
}
