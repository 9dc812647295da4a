import { malformed } from "../codec.ts";
import { List } from "../list.ts";
import { arrivedItem } from "../pairs.ts";
import { syncThread } from "./thread.ts";

/** So many items of a container are asked for at first, and then twice as many each time. */
const FIRST_ITEMS = 16;
const MAX_ITEMS = 256;
/** A generator is asked for one item so often before it is asked for more. */
const PATIENT_ITEMS = 16;

/** What was told of an iteration ahead of its use. */
export class ItemsAhead {
  readonly #ofContainer: boolean;
  #items: readonly unknown[] = [];
  #at = 0;
  #asked: number;
  /** So often in a row a generator was asked, and nothing else happened. */
  #steady = 0;
  /** The thread's when it was asked last. */
  #epoch = -1;
  /** Whether that was all, and what it returned. */
  #end: { readonly value: unknown } | undefined;

  constructor(ofContainer: boolean) {
    this.#ofContainer = ofContainer;
    this.#asked = ofContainer ? FIRST_ITEMS / 2 : 1;
  }

  /** Whether there are items that nobody has had yet. */
  get isLeft(): boolean {
    return this.#at < this.#items.length;
  }

  /**
   * The next item, or the end. `ask` asks the iterator for so many items; `heard` says how often the
   * other side has asked this one for something.
   */
  next(ask: (count: number) => unknown, heard: () => number): IteratorResult<unknown> {
    const told = this.#take();
    if (told !== undefined) return told;
    const wanted = this.#wanted(this.#epoch === syncThread.epoch);
    if (!this.#ofContainer) syncThread.epoch++;
    const before = heard();
    const answer = ask(wanted);
    // Where it has called somebody here, that would see how far it runs.
    this.#epoch = heard() === before ? syncThread.epoch : -1;
    this.put(answer instanceof List ? answer.values : [true]);
    return this.#take() ?? malformed("an iteration that goes nowhere");
  }

  /** What was told: whether that was all, what it returned, the items. */
  put([done, returned, ...items]: readonly unknown[]): void {
    this.#items = items;
    this.#at = 0;
    this.#end = done === false ? undefined : { value: returned };
  }

  /** The iterator was ended. */
  drop(): void {
    this.put([true, undefined]);
  }

  #take(): IteratorResult<unknown> | undefined {
    if (this.isLeft) return { value: arrivedItem(this.#items[this.#at++]), done: false };
    if (this.#end === undefined) return undefined;
    const { value } = this.#end;
    this.#end = { value: undefined };
    return { value, done: true };
  }

  /**
   * How many to ask for now. A generator runs code, and so runs no further than it is used, as one at
   * hand; but in a loop that does nothing else with the other side, who could tell.
   */
  #wanted(isSteady: boolean): number {
    this.#steady = isSteady ? this.#steady + 1 : 0;
    const grows = this.#ofContainer || this.#steady > PATIENT_ITEMS;
    this.#asked = grows ? Math.min(this.#asked * 2, MAX_ITEMS) : 1;
    return this.#asked;
  }
}
