import { onAbort } from "../base/abort.ts";
import type { Path } from "../wire/path.ts";
import type { EngineOffer } from "./peers.ts";
import { TopicIndex } from "./topic-index.ts";

/** One thing that somebody offers under a topic. */
export interface Offer<T> extends EngineOffer {
  readonly what: T;
  readonly gone: boolean;
  /** How much of it is under way. */
  busy: number;
  end(): void;
}

/** What is offered under topics, and who is asked next. */
export class Offers<T> {
  readonly #byTopic = new TopicIndex<Offer<T>>();
  readonly #open = new Set<Offer<T>>();

  open(topic: Path, what: T, signal?: AbortSignal): Offer<T> {
    let gone = false;
    let listener: Disposable | undefined;
    const end = (): void => {
      gone = true;
      listener?.[Symbol.dispose]();
      this.#open.delete(offer);
      this.#byTopic.delete(topic, offer);
    };
    const offer: Offer<T> = {
      what,
      busy: 0,
      ready: Promise.resolve(),
      end,
      get gone() {
        return gone;
      },
      [Symbol.asyncDispose]: async () => end(),
    };
    this.#open.add(offer);
    this.#byTopic.add(topic, offer);
    if (signal !== undefined) listener = onAbort(signal, end);
    return offer;
  }

  all(topic: Path): Offer<T>[] {
    return this.#byTopic.find(topic);
  }

  /**
   * The one with the least to do; of several such the one that was not asked for longest, as it goes
   * behind the others.
   */
  next(topic: Path): Offer<T> | undefined {
    let best: Offer<T> | undefined;
    let bestTurn = Infinity;
    for (const offer of this.all(topic)) {
      const turn = this.#turns.get(offer) ?? 0;
      if (
        best !== undefined &&
        (offer.busy > best.busy || (offer.busy === best.busy && turn >= bestTurn))
      ) {
        continue;
      }
      best = offer;
      bestTurn = turn;
    }
    if (best !== undefined) this.#turns.set(best, ++this.#turn);
    return best;
  }

  close(): void {
    for (const offer of this.#open) offer.end();
  }

  readonly #turns = new WeakMap<Offer<T>, number>();
  #turn = 0;
}
