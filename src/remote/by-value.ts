/** Says how the value in it is to cross. */
export abstract class Mark<T = unknown> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  /** Asks nothing of the value, which may be a Proxy that throws at whatever it is asked. */
  static is(value: unknown): value is Mark {
    return typeof value === "object" && value !== null && #value in value;
  }
}

/** Marks what is to cross as a copy. */
export class ByValue extends Mark<object> {}

/** Marks what is to cross as a reference. */
export class ByReference extends Mark<object> {}

/** Marks what crosses as in a session with `plain: "copy"`. */
export class PlainCopy extends Mark {
  static of(value: unknown): unknown {
    const isObject = typeof value === "object" && value !== null;
    return isObject && !(Mark.is(value) && value instanceof PlainCopy)
      ? new PlainCopy(value)
      : value;
  }
}

/**
 * What to pass instead of `value`, so that the other side gets a copy of it: plain objects, arrays,
 * Maps and Sets are copied as a graph, in which cycles and things that are there twice stay so. What
 * else is in there crosses as it would otherwise. It is copied when it is sent, not now.
 */
export function byValue<T>(value: T): T {
  return (typeof value === "object" && value !== null ? new ByValue(value) : value) as T;
}

/**
 * What to pass instead of `value`, so that the other side gets a reference to it, where it would get
 * a copy: a Date, a frozen object, plain data in a session with `plain: "copy"`.
 */
export function byRef<T>(value: T): T {
  const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
  return (isObject ? new ByReference(value) : value) as T;
}

const MAX_FROZEN_NODES = 10_000;

/**
 * Whether this array or plain object is frozen, and so is everything in it, down to values that can't
 * change: nobody can then tell a copy from the original. An accessor counts as a change.
 */
export function isDeeplyFrozen(value: object, isPlain: (value: object) => boolean): boolean {
  // Nearly nothing is: so much is looked at for every reference.
  if (!Object.isFrozen(value)) return false;
  const seen = new Set<object>([value]);
  for (const object of seen) {
    if (seen.size > MAX_FROZEN_NODES || !Object.isFrozen(object) || !isPlain(object)) return false;
    if (!addInner(object, seen)) return false;
  }
  return true;
}

/** False where something in `object` is no data. */
function addInner(object: object, seen: Set<object>): boolean {
  for (const key of Reflect.ownKeys(object)) {
    const descriptor = Object.getOwnPropertyDescriptor(object, key);
    if (typeof key === "symbol" || descriptor === undefined || !("value" in descriptor)) {
      return false;
    }
    const inner: unknown = descriptor.value;
    if (typeof inner === "function") return false;
    if (typeof inner === "object" && inner !== null) seen.add(inner);
  }
  return true;
}
