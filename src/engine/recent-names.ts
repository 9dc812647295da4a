import { randomInt } from "node:crypto";

import type { Revision } from "./engine.ts";

const FIRST_CAPACITY = 1024;
/** Of two hashes side by side. */
const PRIME = 0x0100_0193;
const OTHER_PRIME = 0x5bd1_e995;

/** Nobody outside can tell which names have the same hash. */
const SEED = randomInt(2 ** 31);
const OTHER_SEED = randomInt(2 ** 31);

/** Of so many bits that no two names of a store have the same. */
export function hashOf(name: Uint8Array): number {
  let low = SEED;
  let high = OTHER_SEED;
  for (let i = 0; i < name.length; i++) {
    const byte = name[i] as number;
    low = Math.imul(low ^ byte, PRIME);
    high = Math.imul(high ^ byte, OTHER_PRIME);
    high ^= high >>> 13;
  }
  // What differs in the last letters only would lie together, but not in the lowest bits alone.
  return (high >>> 11) * 2 ** 32 + ((low ^ (low >>> 15)) >>> 0);
}

/**
 * The last changes of a store by a name of theirs, as numbers and not as text: they are many, and live for
 * long enough to be in the way of everything that is collected. Names with the same hash are one to it.
 */
export class RecentNames {
  /** Of each hash the last change. */
  #last = new Float64Array(FIRST_CAPACITY);
  /** Of each change its hash, and the one before it that shares its place in `#last`. */
  #hashes = new Float64Array(FIRST_CAPACITY);
  #before = new Float64Array(FIRST_CAPACITY);

  /** @param oldest the last change that is of no interest any more */
  add(revision: Revision, hash: number, oldest: Revision): void {
    if (revision - oldest > this.#last.length) this.#grow(oldest, revision);
    this.#put(revision, hash);
  }

  /** The changes of this hash behind `oldest`, newest first. */
  *find(hash: number, oldest: Revision): Generator<Revision, void> {
    const mask = this.#last.length - 1;
    let revision = this.#last[hash & mask] as number;
    while (revision > oldest) {
      const at = revision % this.#last.length;
      if (this.#hashes[at] === hash) yield revision;
      revision = this.#before[at] as number;
    }
  }

  #put(revision: Revision, hash: number): void {
    const place = hash & (this.#last.length - 1);
    const at = revision % this.#last.length;
    this.#hashes[at] = hash;
    this.#before[at] = this.#last[place] as number;
    this.#last[place] = revision;
  }

  #grow(oldest: Revision, revision: Revision): void {
    const known: { revision: Revision; hash: number }[] = [];
    for (const last of this.#last) {
      for (let at = last; at > oldest; at = this.#before[at % this.#last.length] as number) {
        known.push({ revision: at, hash: this.#hashes[at % this.#last.length] as number });
      }
    }
    let capacity = this.#last.length;
    while (capacity < revision - oldest) capacity *= 2;
    this.#last = new Float64Array(capacity);
    this.#hashes = new Float64Array(capacity);
    this.#before = new Float64Array(capacity);
    known.sort((a, b) => a.revision - b.revision);
    for (const one of known) this.#put(one.revision, one.hash);
  }
}
