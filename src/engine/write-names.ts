import { randomId } from "../base/ids.ts";
import type { Revision, WriteOptions } from "./engine.ts";

/** What is told of one write, the first time and each time it is sent again. */
interface NamedWrite {
  readonly operation: string;
  /** @param revision of the store, as the hub that it is sent to has said */
  readonly repeats: (revision: Revision | undefined) => WriteOptions["repeats"];
}

/** The names of writes that are sent to a hub, and to the next one where that is lost. */
export class WriteNames {
  #name: string | undefined; // Drawn with the first write: cryptography takes memory.
  #count = 0;
  /** The newest revision that was there for certain before whatever is sent next. */
  #known: Revision = 0;

  /** A hub says that its store is at this revision: it may be another store, and behind the last one. */
  met(revision: Revision): void {
    this.#known = revision;
  }

  /** A write has this revision. */
  heardOf(revision: Revision): void {
    if (revision > this.#known) this.#known = revision;
  }

  of({ operation, repeats }: WriteOptions): NamedWrite {
    const isDrawn = operation === undefined || repeats === false;
    let after: Revision | undefined;
    return {
      operation: operation ?? `${(this.#name ??= randomId())}-${++this.#count}`,
      repeats: (revision = 0) => {
        const isFirst = after === undefined;
        after = after === undefined ? this.#known : Math.min(after, revision);
        if (!isDrawn) return repeats;
        return isFirst ? false : after;
      },
    };
  }
}
