import { RemotePromise } from "./call.ts";
import { originalOf } from "./errors.ts";
import { List } from "./list.ts";
import { Operation } from "./protocol.ts";
import { sourceOf } from "./streams.ts";
import { isKnownInstance, Stub } from "./stub.ts";
import type { CallLimit } from "./deadlines.ts";
import { stubOf } from "./stub-handle.ts";

/** Whether `value` stands for something on another side: a reference, or a property of one. */
export function isRemote(value: unknown): boolean {
  return stubOf(value) !== undefined;
}

/**
 * Gives a reference back, so that the other side may forget the object. Using the stub afterwards
 * fails with `REMOTE_RELEASED`; the same object gets a new stub when it arrives again. Anything that
 * is no reference is left alone. References that are not given back are when they are collected, or
 * when the session ends.
 */
export function release(value: unknown): void {
  const source = typeof value === "object" && value !== null ? sourceOf(value) : undefined;
  stubOf(source ?? value)?.release();
}

/**
 * The same remote object, each use of which fails when it takes longer than `limit`: milliseconds, with
 * `REMOTE_TIMEOUT`, or a signal, with its reason. So do the uses of its properties, and of results
 * that are not there yet. What runs at the other side goes on there; pass it a signal as an argument
 * to stop it. `Infinity` takes off the limit that the session has.
 */
export function within<T extends object>(ref: T, limit: CallLimit): T {
  const stub = stubOf(ref);
  if (!(stub instanceof Stub)) throw new TypeError("the first argument is no remote reference");
  if (typeof limit === "number" ? !(limit >= 0) : !(limit instanceof AbortSignal)) {
    throw new TypeError("a limit is a number of milliseconds, or an AbortSignal");
  }
  return stub.within(limit) as T;
}

/** Sets a property of a remote object. */
export async function set(ref: unknown, key: string | number, value: unknown): Promise<void> {
  await requestOn(ref, Operation.set, nameOf(key), [value]);
}

/** Whether a remote object has a property, of its own or inherited. */
export async function has(ref: unknown, key: string | number): Promise<boolean> {
  return (await requestOn(ref, Operation.has, nameOf(key), [])) as boolean;
}

/** Deletes a property of a remote object. */
export async function remove(ref: unknown, key: string | number): Promise<void> {
  await requestOn(ref, Operation.delete, nameOf(key), []);
}

/** The names of a remote object's own enumerable properties, as far as they may be read. */
export async function keys(ref: unknown): Promise<string[]> {
  return (await requestOn(ref, Operation.keys, undefined, [])) as string[];
}

/**
 * The names and values of what `keys` lists, or the pairs of a remote Map, by one request: what is no
 * primitive or other value is a reference.
 */
export async function entries(ref: unknown): Promise<[unknown, unknown][]> {
  const list = await requestOn(ref, Operation.entries, undefined, []);
  if (!(list instanceof List)) throw new TypeError("the peer answered with no list");
  const { values } = list;
  return Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i], values[2 * i + 1]]);
}

/**
 * Calls a method whose name a stub has a meaning of its own for, as `then`.
 */
export function invoke(
  ref: unknown,
  key: string | number,
  ...args: readonly unknown[]
): Promise<unknown> {
  return requestOn(ref, Operation.call, nameOf(key), args);
}

/**
 * Whether a remote object, or an error that came from there, is an instance of a remote class of the
 * same side, or of a class that every engine has, as Map. References know their classes: nothing is
 * sent where both are there.
 */
export async function instanceOf(what: unknown, Class: unknown): Promise<boolean> {
  const ref = originalOf(what) ?? what;
  const known = isKnownInstance(ref, Class);
  if (known !== undefined) return known;
  return (await requestOn(ref, Operation.instanceOf, undefined, [Class])) as boolean;
}

/**
 * A copy of remote plain data, as `byValue` makes it there: what in it is no plain data is a
 * reference.
 */
export async function snapshot(ref: unknown): Promise<unknown> {
  return await requestOn(ref, Operation.snapshot, undefined, []);
}

function requestOn(
  ref: unknown,
  operation: Operation,
  key: string | undefined,
  operands: readonly unknown[],
): Promise<unknown> {
  const call = RemotePromise.callOf(ref);
  const stub = call === undefined ? stubOf(ref) : new Stub(call, call.promise, []);
  if (stub === undefined) throw new TypeError("the first argument is no remote reference");
  return stub.request(operation, operands, key === undefined ? stub.path : [...stub.path, key]);
}

function nameOf(key: string | number): string {
  if (typeof key !== "symbol") return String(key);
  throw new TypeError(
    `symbols are no keys of remote references: ${String(key)} can't be asked for`,
  );
}
