import { originalOf } from "../errors.ts";
import { intrinsicAlias, intrinsicName } from "../intrinsics.ts";

/** What a method of the engine's own is called on where that is elsewhere. */
export interface RemoteReceiver {
  invoke(key: string | symbol, args: readonly unknown[]): unknown;
  /** Calls what makes an iterator, and takes its first items along. */
  iterate(key: string | symbol): unknown;
  /** The next item, if it is an iterator, not an async one, of the engine's own. */
  nextItem(): IteratorResult<unknown>;
}

/** Finds the receiver behind a value that stands for one. */
type FindReceiver = (value: unknown) => RemoteReceiver | undefined;

const duals = new WeakMap<object, object>();

/** Methods of arrays that change them, or hand out an iterator: one request, instead of several. */
const DUAL_OF_ARRAYS: ReadonlySet<string | symbol> = new Set([
  "push", "pop", "shift", "unshift", "splice", "reverse", "fill", "copyWithin",
  "values", "keys", "entries", Symbol.iterator,
]); // prettier-ignore

/** Methods of containers that make an iterator. */
const ITERATES: ReadonlySet<string | symbol> = new Set([
  "values", "keys", "entries", Symbol.iterator,
]); // prettier-ignore

const CALLS: ReadonlySet<string | symbol> = new Set(["call", "apply", "bind"]);

/**
 * The method that a prototype of the engine's own gives, as one for things elsewhere: those that need
 * to be where the thing is (of Maps, iterators) are called there, the others work on whatever they
 * are given. `undefined` where the thing itself has to be asked, as for what everything inherits and
 * what is no method.
 */
export function remoteMember(
  prototype: object,
  key: string | symbol,
  find: FindReceiver,
): object | undefined {
  const name = intrinsicName(prototype);
  if (name === "Object.prototype") return undefined;
  const value: unknown = Object.getOwnPropertyDescriptor(prototype, key)?.value;
  if (typeof value !== "function" || key === "constructor") return undefined;
  if (name === "Function.prototype") {
    if (key === Symbol.hasInstance) return hasInstance;
    return CALLS.has(key) ? value : undefined;
  }
  if (name === "Array.prototype" && !DUAL_OF_ARRAYS.has(key)) return value;
  if (name === "%Iterator.prototype%" || name === "%AsyncIterator.prototype%") return value;
  return dualOf(value, { key, isAsync: name === "%AsyncGenerator.prototype%" }, find);
}

/** Of what an error is a copy of, its class is known; the copy itself is of one that every engine has. */
function hasInstance(this: unknown, value: unknown): boolean {
  return Reflect.apply(NATIVE_HAS_INSTANCE, this, [originalOf(value) ?? value]);
}

const NATIVE_HAS_INSTANCE = Function.prototype[Symbol.hasInstance];
intrinsicAlias(hasInstance, NATIVE_HAS_INSTANCE);

function dualOf(
  method: object,
  { key, isAsync }: { readonly key: string | symbol; readonly isAsync: boolean },
  find: FindReceiver,
): object {
  const known = duals.get(method);
  if (known !== undefined) return known;
  const local = method as (...args: unknown[]) => unknown;
  // What an async generator gives are promises.
  const isPlainNext = key === "next" && !isAsync;
  const iterates = ITERATES.has(key);
  function dual(this: unknown, ...args: unknown[]): unknown {
    const receiver = find(this);
    if (receiver === undefined) return Reflect.apply(local, this, args);
    if (args.length > 1 || args[0] !== undefined) return receiver.invoke(key, args);
    if (isPlainNext) return receiver.nextItem();
    return iterates ? receiver.iterate(key) : receiver.invoke(key, args);
  }
  Object.defineProperty(dual, "name", { value: local.name, configurable: true });
  Object.defineProperty(dual, "length", { value: local.length, configurable: true });
  intrinsicAlias(dual, method);
  duals.set(method, dual);
  return dual;
}
