import { type Deferred, deferred } from "../base/deferred.ts";
import { BanyanError, EngineError } from "../base/errors.ts";
import { Feed } from "../base/iteration.ts";
import type { Path } from "../wire/path.ts";
import type { Cursor, EngineEvent, EngineWatch, Revision, WatchOptions } from "./engine.ts";
import { type HubSession, isLost } from "./hub-link.ts";
import type { WatchSink } from "./hub-news.ts";
import { type EventBatch, unpackEvents } from "./packed-events.ts";

interface HubWatchSource {
  readonly store: string;
  /** Its reader is about to know of all up to this revision. */
  readonly onNews: (revision: Revision) => void;
  readonly onEnd: () => void;
}

/** Batches that wait here before the hub has to wait. */
const MAX_BATCHES = 2;

/**
 * A watch over whatever session there is: begins again behind what it has received when a new one
 * comes, and tells its reader of the time in between.
 */
export class HubWatch extends Feed<readonly EngineEvent[]> implements EngineWatch {
  readonly id: number;
  readonly #prefix: Path;
  readonly #options: WatchOptions;
  readonly #onNews: (revision: Revision) => void;
  readonly #onEnd: () => void;
  #batches: EventBatch[] = [];
  /** Where the last batch that was handed out ends. */
  #cursor: Cursor;
  /** Where the last batch that was received ends: what a new session goes on behind. */
  #received: Cursor | undefined;
  /** What was received is all there was: of an empty store, that is revision 0 too. */
  #complete = false;
  /** Something was received that the reader may hold on to. */
  #begun = false;
  #session: HubSession | undefined;
  #listening: Disposable | undefined;
  #stale = false;
  #room: Deferred<void> | undefined;

  constructor(id: number, prefix: Path, options: HubWatchSource & WatchOptions) {
    super();
    this.id = id;
    this.#prefix = prefix;
    this.#options = options;
    this.#onNews = options.onNews;
    this.#onEnd = options.onEnd;
    this.#received = options.after;
    // Who names a cursor has what there was up to it, if that is revision 0.
    this.#complete = options.after !== undefined;
    this.#cursor = options.after ?? { store: options.store, revision: 0 };
  }

  /** Whether everything that was there has been told. */
  get complete(): boolean {
    return this.#complete;
  }

  get cursor(): Cursor {
    return this.#cursor;
  }

  /** Goes on over this session. */
  start(session: HubSession): void {
    if (this.ended) return;
    this.#session = session;
    // A listing that broke off can't be gone on with: what it did not mention may be gone.
    const resumable =
      this.#received !== undefined && (this.#received.revision > 0 || this.#complete);
    const after = resumable ? this.#received : undefined;
    let restarted = !resumable && this.#begun;
    const sink: WatchSink = (given, at, error) => {
      if (this.#session !== session || this.ended) return undefined;
      if (error !== undefined) {
        this.#failed(session, error);
        return undefined;
      }
      let got: EventBatch;
      try {
        got = batchOf(given, at);
      } catch (reason) {
        this.end({ reason });
        return undefined;
      }
      const { events, cursor } = got;
      const batch = restarted ? [{ type: "reset", cause: "history" } as const, ...events] : events;
      restarted = false;
      for (const { type } of batch) {
        if (type === "ready") this.#complete = true;
        if (type === "reset") this.#complete = false;
      }
      this.#received = cursor;
      this.#onNews(cursor.revision);
      this.#push(this.#withLive(batch, resumable), cursor);
      return this.#whenRoom();
    };
    const { maxBacklog } = this.#options;
    this.#listening?.[Symbol.dispose]();
    this.#listening = session.listen(this.id, (news) => sink(news));
    const bytes = session.bytes !== undefined;
    session.hub
      .watch(this.id, this.#prefix, { after, maxBacklog, packed: true, bytes }, sink)
      .then(undefined, (error: unknown) => this.#failed(session, error));
  }

  /** Contact is lost. */
  lost(): void {
    this.#session = undefined;
    if (this.ended || this.#stale || !this.#begun) return;
    this.#stale = true;
    this.#push([{ type: "stale" }], this.#received ?? this.#cursor);
  }

  protected override take(): readonly EngineEvent[] | undefined {
    const batch = this.#batches.shift();
    if (batch === undefined) return undefined;
    this.#cursor = batch.cursor;
    if (this.#batches.length < MAX_BATCHES) this.#makeRoom();
    return batch.events;
  }

  protected override whenEnded(): void {
    this.#batches = [];
    const session = this.#session;
    this.#session = undefined;
    this.#listening?.[Symbol.dispose]();
    if (session !== undefined) stopAt(session, this.id);
    this.#onEnd();
    this.#makeRoom();
  }

  /** The hub says "live" where a watch was resumed; where it began anew, its "ready" means that. */
  #withLive(events: readonly EngineEvent[], resumed: boolean): readonly EngineEvent[] {
    if (!this.#stale) return events;
    const caughtUp = events.some(({ type }) => type === (resumed ? "live" : "ready"));
    if (!caughtUp) return events;
    this.#stale = false;
    return resumed ? events : [...events, { type: "live" }];
  }

  #failed(session: HubSession, error: unknown): void {
    if (this.#session !== session) return;
    if (!isLost(session, error)) this.end({ reason: error });
    else if (BanyanError.is(error) && !session.gone) session.drop(`its watch ended: ${error.code}`);
  }

  #push(events: readonly EngineEvent[], cursor: Cursor): void {
    this.#begun = true;
    this.#batches.push({ events, cursor });
    this.wake();
  }

  #whenRoom(): Promise<void> | undefined {
    if (this.#batches.length < MAX_BATCHES) return undefined;
    this.#room ??= deferred();
    return this.#room.promise;
  }

  #makeRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

function batchOf(given: readonly EngineEvent[] | Uint8Array, at: Cursor | undefined): EventBatch {
  if (given instanceof Uint8Array) return unpackEvents(given);
  if (at !== undefined) return { events: given, cursor: at };
  throw new EngineError("ENGINE_UNAVAILABLE", "the hub sent events without a cursor");
}

/** Tells the hub that nobody listens any more, if it is there to be told. */
export function stopAt(session: HubSession, id: number): void {
  if (session.gone) return;
  void session.hub.stop(id).then(undefined, () => {});
}
