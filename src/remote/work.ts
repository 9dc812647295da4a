import { RemoteError } from "../base/errors.ts";
import { powerOf } from "./builtins.ts";
import { stubOf } from "./stub-handle.ts";

/** What is done natively with so many elements is as much work as one value that is read or written. */
const ELEMENTS_OF_STEP = 16;
/** So many times the values that a message may hold may be worked on because of it. */
const STEPS_OF_ITEM = 4;

/**
 * How much one message of a peer has made this side do, beyond what its own size bounds: small requests
 * can list, copy and search what is large here. What is over the limit is refused, with everything
 * that comes behind it in the message.
 */
export class Work {
  readonly #limit: number;
  #steps = 0;

  /** `maxItems`: the values that a message may hold. */
  constructor(maxItems: number) {
    this.#limit = maxItems * STEPS_OF_ITEM;
  }

  /** A message begins. */
  begin(): void {
    this.#steps = 0;
  }

  /** Notes what was done, for those that come behind. */
  note(steps: number): void {
    this.#steps += steps;
  }

  /** @throws RemoteError `REMOTE_LIMIT` where too much was done already */
  check(): void {
    if (this.#steps <= this.#limit) return;
    throw new RemoteError(
      "REMOTE_LIMIT",
      `one message asks for more than ${this.#limit} steps of work; ask for less at a time, or raise maxItems`,
      { details: { limit: this.#limit } },
    );
  }

  /**
   * To be done now, if there is room for it.
   *
   * @throws RemoteError `REMOTE_LIMIT`
   */
  spend(steps: number): void {
    this.#steps += steps;
    this.check();
  }

  /**
   * A peer calls this function on this object. Of the engine's own it is counted, before it runs, what
   * they go through: a thousand references to one array, joined, are a gigabyte.
   *
   * @throws RemoteError `REMOTE_DENIED`, `REMOTE_LIMIT`
   */
  spendOnCall(
    method: (...args: never[]) => unknown,
    object: unknown,
    args: readonly unknown[],
  ): void {
    const power = powerOf(method);
    if (power === "plain" || power === "compiler" || power === "reflective") return;
    if (typeof object !== "object" || object === null || stubOf(object) !== undefined) return;
    if (power === "array" && !isContainer(object)) {
      refuse(
        "a method of arrays works on arrays only; what says that it has a length may go on for years",
      );
    }
    if (CALLING.has(method.name)) checkCallback(args);
    this.spend(Math.ceil(this.#stepsOf(method.name, object, args) / ELEMENTS_OF_STEP));
  }

  /** In elements. */
  #stepsOf(name: string, object: object, args: readonly unknown[]): number {
    if (QUICK.has(name)) return args.length;
    const own = sizeOf(object);
    // A function is called for each.
    const each = typeof args[0] === "function" ? own * ELEMENTS_OF_STEP : own;
    return Array.isArray(object) ? this.#stepsOnArray(name, object, { args, each }) : each;
  }

  #stepsOnArray(
    name: string,
    array: readonly unknown[],
    { args, each }: { readonly args: readonly unknown[]; readonly each: number },
  ): number {
    const most = this.#limit * ELEMENTS_OF_STEP;
    const [first] = args;
    if (name === "concat") return args.reduce<number>((sum, arg) => sum + spreadSize(arg), each);
    if (name === "flatMap" && isOurs(first)) {
      refuse("flatMap with a function of this side's may make much of little; pass one of yours");
    }
    if (name === "flat") return this.#inner(array, 0, most);
    if (TEXTS.has(name)) {
      return this.#inner(array, typeof first === "string" ? first.length : 1, most);
    }
    if (!SORTS.has(name)) return each;
    const once = first === undefined ? this.#inner(array, 1, most) : each;
    return once * Math.ceil(Math.log2(array.length + 2));
  }

  /** What is in there all told, also of arrays that are in it many times; not more than `most`. */
  #inner(array: readonly unknown[], separator: number, most: number, above: object[] = []): number {
    let count = array.length * (1 + separator);
    // An array within itself is left out by what makes texts, and is an error to `flat`.
    if (above.length >= MAX_NESTING) refuse(`arrays nested ${MAX_NESTING} deep`);
    above.push(array);
    for (let i = 0; i < array.length && count <= most; i++) {
      const item = array[i];
      if (typeof item === "string") count += separator > 0 ? item.length : 0;
      else if (Array.isArray(item) && stubOf(item) === undefined && !above.includes(item)) {
        count += this.#inner(item, separator, most - count, above);
      }
    }
    above.pop();
    return count;
  }
}

const MAX_NESTING = 100;
/** Methods that don't go through what is in there. */
const QUICK: ReadonlySet<string> = new Set(
  "push pop at get set has add delete keys values entries [Symbol.iterator] clear".split(" "),
);
const TEXTS: ReadonlySet<string> = new Set(["join", "toString", "toLocaleString"]);
const SORTS: ReadonlySet<string> = new Set(["sort", "toSorted"]);
const CALLING: ReadonlySet<string> = new Set(
  (
    "forEach map filter some every find findIndex findLast findLastIndex flatMap reduce reduceRight " +
    "sort toSorted"
  ).split(" "),
);

function sizeOf(object: object): number {
  if (Array.isArray(object) || ArrayBuffer.isView(object)) {
    return Number((object as { readonly length?: unknown }).length) || 0;
  }
  return object instanceof Map || object instanceof Set ? object.size : 0;
}

/** What `concat` takes out of an argument. */
function spreadSize(value: unknown): number {
  if (typeof value !== "object" || value === null || stubOf(value) !== undefined) return 1;
  if (Array.isArray(value)) return value.length + 1;
  if (Reflect.get(value, Symbol.isConcatSpreadable) === undefined) return 1;
  return refuse("concat takes arrays only");
}

/** By what it is, in whatever realm, and not by what it says. */
function isContainer(object: object): boolean {
  return (
    Array.isArray(object) ||
    ArrayBuffer.isView(object) ||
    hasBrand(() => Map.prototype.has.call(object, undefined)) ||
    hasBrand(() => Set.prototype.has.call(object, undefined))
  );
}

function hasBrand(use: () => unknown): boolean {
  try {
    use();
    return true;
  } catch {
    return false;
  }
}

/**
 * A callback of this side's, called on something else of this side's, would be a way around what may be
 * called on what; and one of the engine's own does as much again for each element.
 */
function checkCallback([callback, receiver]: readonly unknown[]): void {
  if (typeof callback !== "function" || stubOf(callback) !== undefined) return;
  if (powerOf(callback as () => unknown) !== "plain") {
    refuse("a method of the engine's own is no callback here; pass a function of yours");
  }
  if (isOurs(receiver)) {
    refuse("the callback would be called on an object of this side's; pass a function of yours");
  }
}

/** Whether it lives here. */
function isOurs(value: unknown): boolean {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return stubOf(value) === undefined;
}

function refuse(why: string): never {
  throw new RemoteError("REMOTE_DENIED", `may not call this method: ${why}`);
}
