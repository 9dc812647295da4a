import { RemoteError } from "../base/errors.ts";
import { intrinsicName } from "./intrinsics.ts";
import { stubOf } from "./stub-handle.ts";

/**
 * What a function of the engine's own can do for a peer that calls it, which no policy on objects sees:
 *
 * - "compiler": makes code of text, as `Function` and `eval` do, of any realm, bound, or extended;
 * - "reflective": does to whatever it is given what only the policy may allow: `Reflect.get`,
 *   `Object.assign`, `Function.prototype.call`;
 * - "endless": goes on until an iterator is done, which it may never be;
 * - "array": a method of arrays, whose work and result may be a million times what the call weighs;
 * - "walker": a method of another container that goes over all of it;
 * - "plain": none of these.
 */
export type Power = "compiler" | "reflective" | "endless" | "array" | "walker" | "plain";

const known = new WeakMap<object, Power>();

/** What this function can do, as it is; looked at once. */
export function powerOf(value: (...args: never[]) => unknown): Power {
  let power = known.get(value);
  if (power === undefined) {
    power = stubOf(value) === undefined ? look(value) : "plain";
    known.set(value, power);
  }
  return power;
}

/** Whether no peer under "capability" may hold, pass, or call it. */
export function reachesPast(value: unknown): boolean {
  if (typeof value !== "function") return false;
  const power = powerOf(value as () => unknown);
  return power === "compiler" || power === "reflective";
}

/** Whether it makes code of text. */
export function isCompiler(value: unknown): boolean {
  return typeof value === "function" && powerOf(value as () => unknown) === "compiler";
}

/** Stands for a function that the peer named and may not have: it can be passed on, and not called. */
export function refusalOf(name: string): () => never {
  return () => {
    throw new RemoteError(
      "REMOTE_DENIED",
      `may not call ${name} here: it reaches past the policy; pass a function of your own`,
      { details: { name } },
    );
  };
}

const COMPILERS =
  /^(bound )*(Function|AsyncFunction|GeneratorFunction|AsyncGeneratorFunction|eval)$/;
const REFLECTIVE =
  /^(Reflect\.|Object\.(?!prototype)|Object\.prototype\.__|Function\.prototype\.(call|apply|bind)$|Proxy)/;
const WALKERS = /^(%TypedArray|Map|Set)\.prototype/;
const ENDLESS = /^%Iterator\.prototype%\.(toArray|reduce|forEach|some|every|find)$/;
/** Of every array; the same names are those of another realm's. */
const OF_ARRAYS: ReadonlySet<unknown> = new Set(Object.getOwnPropertyNames(Array.prototype));

function look(value: object): Power {
  if (makesCode(value)) return "compiler";
  const name = intrinsicName(value);
  if (name !== undefined) {
    if (REFLECTIVE.test(name)) return "reflective";
    if (name.startsWith("Array.prototype.")) return "array";
    if (ENDLESS.test(name)) return "endless";
    return WALKERS.test(name) ? "walker" : "plain";
  }
  if (!isNative(value)) return "plain";
  return OF_ARRAYS.has(nameOf(value)) ? "array" : "plain";
}

/**
 * `Function` and its like of whatever realm are what functions are made by: their `prototype` is what
 * functions inherit from. The others, and classes that extend them, inherit from `Function`. What is
 * bound shows nothing but its name.
 */
function makesCode(value: object): boolean {
  let holder: unknown = value;
  for (let step = 0; step < MAX_PARENTS && typeof holder === "function"; step++) {
    if (stubOf(holder) !== undefined) return false;
    const made: unknown = Object.getOwnPropertyDescriptor(holder, "prototype")?.value;
    if (typeof made === "function" && stubOf(made) === undefined && Object.hasOwn(made, "bind")) {
      return true;
    }
    holder = Object.getPrototypeOf(holder);
  }
  return COMPILERS.test(nameOf(value)) && isNative(value);
}

/** A proxy may have parents without end. */
const MAX_PARENTS = 64;

function nameOf(value: object): string {
  const name: unknown = Object.getOwnPropertyDescriptor(value, "name")?.value;
  return typeof name === "string" ? name : "";
}

function isNative(value: object): boolean {
  try {
    return NATIVE.test(Function.prototype.toString.call(value));
  } catch {
    return false;
  }
}

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;
