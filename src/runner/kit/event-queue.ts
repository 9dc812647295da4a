import { type Deferred, deferred } from "../../base/deferred.ts";
import { RunnerError } from "../../base/errors.ts";
import { ReadyMsg, type ChangeMsg, type RunnerMsg } from "./messages.ts";

/** How far one watch is: it lists what is there, has done so, and its "ready" has been told. */
type WatchPhase = "listing" | "listed" | "announced";

/** One watch as the queue knows it. */
export interface WatchPlace {
  phase: WatchPhase;
}

/**
 * `_info`: what happens around a run, for its code to read.
 *
 * Watches report in three steps, as in DistKV: how the entries are; one `ReadyMsg` when all watches
 * begun so far have done that and the code has read it all; then the changes, which are held back
 * until then. Whoever reads too slowly gets RunnerError `RUNNER_OVERFLOW` after the events that are
 * there: only the listing waits for the reader. Breaking out of a loop over it ends nothing; it ends
 * with the run.
 */
export class EventQueue implements AsyncIterable<RunnerMsg> {
  readonly #limit: number;
  readonly #items: RunnerMsg[] = [];
  readonly #held: ChangeMsg[] = [];
  readonly #watches = new Set<WatchPlace>();
  #listed = 0;
  #waiting: Deferred<void> | undefined;
  #room: Deferred<void> | undefined;
  #end: { readonly error?: unknown } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Events that wait to be read. */
  get length(): number {
    return this.#items.length + this.#held.length;
  }

  push(message: RunnerMsg): void {
    if (this.#hasRoom()) this.#add(message);
  }

  addWatch(): WatchPlace {
    const place: WatchPlace = { phase: "listing" };
    this.#watches.add(place);
    return place;
  }

  removeWatch(place: WatchPlace): void {
    this.#watches.delete(place);
    this.#wake();
  }

  /** Takes how an entry is; while the watch lists, this waits for room. */
  async change(place: WatchPlace, message: ChangeMsg): Promise<void> {
    if (place.phase === "listed") {
      if (this.#hasRoom()) this.#held.push(message);
      return;
    }
    while (place.phase === "listing" && this.#end === undefined && this.length >= this.#limit) {
      this.#room ??= deferred();
      await this.#room.promise;
    }
    this.push(message);
  }

  /** The watch has told all there is. */
  listed(place: WatchPlace): void {
    if (place.phase !== "listing") return;
    place.phase = "listed";
    this.#listed++;
    this.#wake();
  }

  /** No more events; with an `error` the reader is thrown that after the events that are there. */
  end(error?: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = error === undefined ? {} : { error };
    this.#room?.resolve();
    this.#wake();
  }

  /** The next event. @throws RunnerError `RUNNER_OVERFLOW` */
  async next(): Promise<IteratorResult<RunnerMsg, undefined>> {
    for (;;) {
      const message = this.#items.shift();
      if (message !== undefined) {
        this.#room?.resolve();
        this.#room = undefined;
        return { done: false, value: message };
      }
      if (this.#end !== undefined) return this.#atEnd(this.#end);
      if (this.#announce()) continue;
      this.#waiting ??= deferred();
      await this.#waiting.promise;
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<RunnerMsg, undefined> {
    return { next: () => this.next() };
  }

  #atEnd(end: { readonly error?: unknown }): IteratorResult<RunnerMsg, undefined> {
    const held = this.#held.splice(0);
    const first = held.shift();
    if (first !== undefined) {
      this.#items.push(...held);
      return { done: false, value: first };
    }
    if (!("error" in end)) return { done: true, value: undefined };
    // Thrown once; a reader that asks again is told the plain end.
    this.#end = {};
    throw end.error;
  }

  #hasRoom(): boolean {
    if (this.#end !== undefined) return false;
    if (this.length < this.#limit) return true;
    this.end(
      new RunnerError("RUNNER_OVERFLOW", `more than ${this.#limit} events were left unread`, {
        details: { limit: this.#limit },
      }),
    );
    return false;
  }

  #add(message: RunnerMsg): void {
    this.#items.push(message);
    this.#wake();
  }

  /** Tells that all watches are ready, if that is news. */
  #announce(): boolean {
    const places = [...this.#watches];
    if (places.some(({ phase }) => phase === "listing")) return false;
    const news = places.filter(({ phase }) => phase === "listed");
    if (news.length === 0) return false;
    for (const place of news) place.phase = "announced";
    this.#items.push(new ReadyMsg(this.#listed), ...this.#held.splice(0));
    return true;
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
