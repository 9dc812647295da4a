/** What must never leave a session that is fuzzed. */
export const SECRET = "S3CR3T-canary";

class Counter {
  // An own field of an instance: not reachable under the capability policy.
  secret = SECRET;
  readonly #hidden = SECRET;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  set count(count: number) {
    if (!Number.isFinite(count)) throw new RangeError("no count");
    this.#count = count;
  }

  add(n: number): number {
    if (this.#hidden !== SECRET) throw new Error("impossible");
    return (this.#count += n);
  }

  twin(): Counter {
    return new Counter();
  }

  *[Symbol.iterator](): Iterator<number> {
    for (let i = 0; i < 1_000; i++) yield i;
  }
}

async function* numbers(): AsyncGenerator<number> {
  for (let i = 0; i < 100; i++) yield await Promise.resolve(i);
}

/** Objects of every kind, and a look at whether anything beside them was changed. */
export function fuzzExports(): {
  readonly exports: Record<string, unknown>;
  readonly isIntact: () => boolean;
} {
  const data = { a: 1, list: [1, 2, 3], nested: { b: 2 }, f: (x: unknown) => x };
  const exports = {
    echo: (value: unknown) => value,
    data,
    counter: new Counter(),
    Counter,
    map: new Map<unknown, unknown>([["k", { v: 1 }]]),
    fail: () => {
      throw new RangeError("on purpose");
    },
    later: async (value: unknown) => await Promise.resolve(value),
    never: () => new Promise(() => {}),
    make: () => ({ made: true }),
    call: (f: (x: number) => unknown) => f(1),
    numbers,
    stream: () => new ReadableStream({ pull: (controller) => controller.enqueue("x") }),
    compiler: Function,
  };
  const own = ownNames();
  return { exports, isIntact: () => ownNames() === own && !("polluted" in {}) };
}

/** Of what everything else inherits from. */
function ownNames(): string {
  const roots = [
    Object.prototype,
    Function.prototype,
    Array.prototype,
    Promise.prototype,
    globalThis,
  ];
  return [...roots, Counter, Counter.prototype].map((root) => Reflect.ownKeys(root).length).join();
}
