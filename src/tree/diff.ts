import { Path } from "../wire/path.ts";
import { encodeValue } from "../wire/value.ts";
import { sameBytes } from "./same-bytes.ts";

/** One place in a value at which two versions differ. */
export interface Difference {
  /** The names and indexes that lead there; none where the whole value is another. */
  readonly at: readonly (string | number)[];
  readonly type: "added" | "removed" | "changed";
  /** Undefined where it was added. */
  readonly before: unknown;
  /** Undefined where it was removed. */
  readonly after: unknown;
}

/**
 * What to change in `before` to get `after`, in the order of the values: into plain objects and arrays,
 * as deep as both have them. `undefined` stands for no value at all.
 */
export function differences(before: unknown, after: unknown): Difference[] {
  const found: Difference[] = [];
  compare([], before, after, found);
  return found;
}

function compare(at: Difference["at"], before: unknown, after: unknown, found: Difference[]): void {
  if (isSame(before, after)) return;
  const names = namesOf(before, after);
  if (names === undefined) {
    const type = before === undefined ? "added" : after === undefined ? "removed" : "changed";
    found.push({ at, type, before, after });
    return;
  }
  const [old, now] = [before, after] as [Container, Container];
  for (const name of names) {
    const here = [...at, name];
    const [was, is] = [old[name], now[name]];
    if (!Object.hasOwn(old, name)) {
      found.push({ at: here, type: "added", before: undefined, after: is });
    } else if (!Object.hasOwn(now, name)) {
      found.push({ at: here, type: "removed", before: was, after: undefined });
    } else compare(here, was, is, found);
  }
}

type Container = Readonly<Record<string | number, unknown>>;

/** The places of two arrays or two plain objects; undefined for any other pair. */
function namesOf(before: unknown, after: unknown): Iterable<string | number> | undefined {
  if (isList(before) && isList(after)) {
    return Array.from({ length: Math.max(before.length, after.length) }, (_, i) => i);
  }
  if (!isPlain(before) || !isPlain(after)) return undefined;
  return new Set([...Object.keys(before), ...Object.keys(after)]);
}

/** As it is stored: so -0 and 0 differ, NaN does not from itself, and the kind of an array counts. */
function isSame(before: unknown, after: unknown): boolean {
  if (Object.is(before, after)) return true;
  if (typeof before !== "object" || typeof after !== "object") return false;
  return sameBytes(encodeValue(before), encodeValue(after));
}

/** A path is one thing, though it is an array. */
function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && !(value instanceof Path);
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
