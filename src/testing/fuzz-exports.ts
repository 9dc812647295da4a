import { byRef } from "../remote/by-value.ts";
import { expose } from "../remote/expose.ts";
import { restricted } from "../remote/restricted.ts";

/** What must never leave a session that is fuzzed. */
export const SECRET = "S3CR3T-canary";

/** Nobody has business with it: whatever is done with it is a breach. */
interface Canary {
  readonly object: object;
  readonly breaches: string[];
}

function canary(): Canary {
  const breaches: string[] = [];
  const trap = (name: string) => (): never => {
    breaches.push(`${name} of what is not exported`);
    throw new Error("the canary was touched");
  };
  const handler = Object.fromEntries(
    ["get", "set", "has", "ownKeys", "deleteProperty", "defineProperty", "apply", "construct"].map(
      (name) => [name, trap(name)],
    ),
  );
  return { object: new Proxy(() => {}, handler), breaches };
}

class Counter {
  // Own fields of an instance: not reachable under the capability policy.
  secret = SECRET;
  vault: object;
  readonly #hidden = SECRET;
  #count = 0;

  constructor(vault?: unknown) {
    this.vault = Object(vault) as object;
  }

  static made(): number {
    return 1;
  }

  get count(): number {
    return this.#count;
  }

  set count(count: number) {
    if (!Number.isFinite(count)) throw new RangeError("no count");
    this.#count = count;
  }

  /** Tells of what it is called on. */
  get length(): number {
    return this.secret.length;
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

class Shelf extends Map<string, string> {
  id = 7;
  title = "t";
  secret = SECRET;
  hide(): string {
    return SECRET;
  }
}
expose(Shelf, { fields: ["id"], writable: ["title"], members: ["get"] });

class Box {
  readonly secret = SECRET;
  width = 1;
  open(): string {
    return "open";
  }
}

async function* numbers(): AsyncGenerator<number> {
  for (let i = 0; i < 100; i++) yield await Promise.resolve(i);
}

/** Little that becomes much where it is flattened or printed. */
function doubled(): unknown[] {
  let array: unknown[] = ["x"];
  for (let i = 0; i < 26; i++) array = [array, array];
  return array;
}

/** What a session that is fuzzed offers, and how to see what was done with anything else. */
export interface FuzzExports {
  readonly exports: Record<string, unknown>;
  /** What is wrong by now; `undefined` as long as nothing is. */
  readonly breach: () => string | undefined;
}

/** Objects of every kind, and a look at whether anything beside them was reached or changed. */
export function fuzzExports(): FuzzExports {
  const hidden = canary();
  const seen = (value: unknown): void => {
    const what = forbidden(value, hidden.object);
    if (what !== undefined) hidden.breaches.push(`the peer passed ${what}`);
  };
  const counter = new Counter(hidden.object);
  const data = { a: 1, list: [1, 2, 3], nested: { b: 2 }, f: (x: unknown) => x };
  const exports = {
    echo: (value: unknown) => value,
    seen: (...values: unknown[]) => values.forEach(seen),
    data,
    counter,
    Counter,
    map: new Map<unknown, unknown>([["k", { v: 1 }]]),
    shelf: new Shelf([["a", SECRET]]),
    box: restricted(new Box(), ["open"], ["width"]),
    deep: doubled(),
    text: { value: "abc", expression: byRef(/a/) },
    frozen: Object.freeze({ list: Object.freeze([1]) }),
    reflector: Reflect,
    objects: Object,
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
    give: () => Function,
  };
  rootsBefore ??= stateOf(ROOTS);
  const before = stateOf([counter]);
  return {
    exports,
    breach: () =>
      hidden.breaches[0] ??
      changed(before, stateOf([counter])) ??
      // What was changed stays so: it need not be looked at each time.
      (looks++ % LOOKS === 0 ? changed(rootsBefore ?? [], stateOf(ROOTS)) : undefined),
  };
}

const ROOTS: readonly object[] = [
  globalThis,
  ...[Object, Function, Array, Promise, Map, Set, RegExp, Error, Uint8Array, Reflect].flatMap(
    (root) => ("prototype" in root ? [root, root.prototype as object] : [root]),
  ),
  Object.getPrototypeOf(async () => {}) as object,
  Object.getPrototypeOf(function* () {}) as object,
  Counter,
  Counter.prototype,
  Shelf,
  Shelf.prototype,
  Box.prototype,
];

/** Other than what is exported: what no peer may hold, and so can't pass. */
function forbidden(value: unknown, vault: object): string | undefined {
  if ((typeof value !== "object" && typeof value !== "function") || value === null)
    return undefined;
  if (value === vault) return "the canary";
  const root = ROOTS.indexOf(value);
  if (root >= 0 && !OFFERED.has(value)) return `root ${root}`;
  if (typeof value !== "function") return undefined;
  const text = Function.prototype.toString.call(value);
  return text.startsWith("function anonymous(") ? "code that it compiled" : undefined;
}

/** Classes that are exported themselves, or that say no more than that they are there. */
const OFFERED: ReadonlySet<object> = new Set<object>([
  Object,
  Array,
  Promise,
  Map,
  Set,
  RegExp,
  Error,
  Uint8Array,
  Reflect,
  Counter,
  Counter.prototype,
  Shelf,
  Shelf.prototype,
]);

let looks = 0;
const LOOKS = 16;
let rootsBefore: readonly unknown[] | undefined;

/** Of what everything else inherits from, and of what nobody may change. */
function stateOf(roots: readonly object[]): readonly unknown[] {
  const parts: unknown[] = [];
  for (const root of roots) {
    for (const key of Reflect.ownKeys(root)) {
      parts.push(key);
      if (root !== globalThis) parts.push(Object.getOwnPropertyDescriptor(root, key)?.value);
    }
    parts.push(Object.isExtensible(root), root === globalThis || Object.getPrototypeOf(root));
  }
  return parts;
}

function changed(before: readonly unknown[], now: readonly unknown[]): string | undefined {
  const at = now.findIndex((part, i) => !Object.is(part, before[i]));
  if (at < 0 && now.length === before.length) return undefined;
  return `something was changed that is not offered, near ${String(now[Math.max(at, 0)])}`;
}
