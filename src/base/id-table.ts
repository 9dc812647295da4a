const MIN_SLOTS = 16;
/** A table up to this size is kept as it is when it gets empty. */
const MAX_KEPT_SLOTS = 16_384;
/** Of a table so small that it does not matter which numbers fall on one slot. */
const [SMALL_MULTIPLIER, SMALL_FOLD] = [0x1e3779b1, 0x05ebca6b];

/** This process's, for all others; drawn with the first, because cryptography takes memory. */
let drawn: readonly [number, number] | undefined;

/**
 * What is under way, by a whole number: a `Map` for entries that come and go all the time. It keeps a
 * place in memory, where a `Map` makes a new table of itself again and again, and the engine's quick
 * collections hold on to those with all that was ever in them.
 *
 * Numbers may come from a peer: which of them fall on the same slot of a table that grows differs from process
 * to process.
 */
export class IdTable<T extends object> {
  #ids: number[] = [];
  #values: (T | undefined)[] = [];
  #mask = -1;
  #shift = 32;
  #size = 0;
  #multiplier = SMALL_MULTIPLIER;
  #fold = SMALL_FOLD;

  get size(): number {
    return this.#size;
  }

  get(id: number): T | undefined {
    return this.#size === 0 ? undefined : this.#values[this.#find(id)];
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  set(id: number, value: T): void {
    if (this.#size * 2 > this.#mask) this.#resize((this.#mask + 1) * 2);
    const slot = this.#find(id);
    if (this.#values[slot] === undefined) {
      this.#ids[slot] = id;
      this.#size++;
    }
    this.#values[slot] = value;
  }

  /** Takes it out, and answers with it. */
  take(id: number): T | undefined {
    if (this.#size === 0) return undefined;
    const slot = this.#find(id);
    const value = this.#values[slot];
    if (value === undefined) return undefined;
    this.#vacate(slot);
    if (--this.#size * 16 < this.#mask && this.#mask >= MAX_KEPT_SLOTS) {
      this.#resize((this.#mask + 1) / 4);
    }
    return value;
  }

  /** All of them, in the order of their numbers. */
  values(): T[] {
    return this.#ids
      .filter((_, slot) => this.#values[slot] !== undefined)
      .sort((a, b) => a - b)
      .map((id) => this.get(id) as T);
  }

  clear(): void {
    this.#ids = [];
    this.#values = [];
    this.#mask = -1;
    this.#size = 0;
  }

  /** Where it is, or where it would be. */
  #find(id: number): number {
    const ids = this.#ids;
    const values = this.#values;
    const mask = this.#mask;
    let slot = this.#hash(id) >>> this.#shift;
    while (values[slot] !== undefined && ids[slot] !== id) slot = (slot + 1) & mask;
    return slot;
  }

  #hash(id: number): number {
    const low = id | 0;
    const mixed = low === id ? low : low ^ Math.imul(id / 2 ** 32, this.#fold);
    return Math.imul(mixed, this.#multiplier);
  }

  /** Moves whoever was pushed on from here, so that a search never ends early. */
  #vacate(from: number): void {
    const ids = this.#ids;
    const values = this.#values;
    const mask = this.#mask;
    let hole = from;
    for (let slot = (from + 1) & mask; ; slot = (slot + 1) & mask) {
      const value = values[slot];
      if (value === undefined) break;
      const home = this.#hash(ids[slot] as number) >>> this.#shift;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      values[hole] = value;
      ids[hole] = ids[slot] as number;
      hole = slot;
    }
    values[hole] = undefined;
  }

  #resize(wanted: number): void {
    const slots = Math.max(wanted, MIN_SLOTS);
    const ids = this.#ids;
    const values = this.#values;
    // oxlint-disable-next-line unicorn/no-new-array -- Array.from would take ten times as long
    this.#ids = new Array<number>(slots).fill(0);
    // oxlint-disable-next-line unicorn/no-new-array -- as above
    this.#values = new Array<T | undefined>(slots).fill(undefined);
    this.#mask = slots - 1;
    this.#shift = Math.clz32(slots) + 1;
    if (slots > MIN_SLOTS) [this.#multiplier, this.#fold] = drawn ??= randomOdd();
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value === undefined) continue;
      const slot = this.#find(ids[i] as number);
      this.#ids[slot] = ids[i] as number;
      this.#values[slot] = value;
    }
  }
}

function randomOdd(): [number, number] {
  const [first = 0, second = 0] = globalThis.crypto.getRandomValues(new Int32Array(2));
  return [first | 1, second | 1];
}
