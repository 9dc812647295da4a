import type { Writer } from "../wire/writer.ts";
import { intrinsicName } from "./intrinsics.ts";
import { checkAccess, isClassPrototype, type Policy } from "./policy.ts";
import { WELL_KNOWN } from "./scalars.ts";
import { stubOf } from "./stub-handle.ts";

/** What a described reference says of a thing, in one byte; the shapes of `Shape` in the lowest bits. */
export const Trait = {
  shapeBits: 3,
  array: 3,
  /** A class with a `Symbol.hasInstance` of its own. */
  decidesInstances: 8,
  /** A class whose `prototype` never changes: its type follows. */
  fixedPrototype: 16,
} as const;

/** How the prototype of a thing is told. From `known` on it is a number that was given out before. */
export const TypeForm = { described: 0, value: 1, unknown: 2, intrinsic: 3, known: 4 } as const;

/** Both sides keep to it. */
export const MAX_TYPES = 4_096;
export const MAX_METHODS = 256;
export const MAX_TYPE_NAME_LENGTH = 256;

/** What describing needs of the encoder whose frame it is in. */
export interface DescribedParts {
  readonly policy: Policy;
  exportObject(object: object): number;
  writeName(writer: Writer, name: string): void;
  writeValue(writer: Writer, value: unknown): void;
}

/**
 * The types that were told to the peer. A thing's type is its prototype: it is described when it
 * first crosses, with its name, its own type and its methods, and is a number from then on. So a peer
 * that uses proxies answers `instanceof` by itself, and has a method before it calls it.
 */
export class DescribedTypes {
  readonly #parts: DescribedParts;
  readonly #numbers = new Map<object, number>();
  #order: object[] = [];

  constructor(parts: DescribedParts) {
    this.#parts = parts;
  }

  /** How many there are: what `rewind` takes. */
  get size(): number {
    return this.#order.length;
  }

  /** Forgets what was added since there were `size`: its frame was not sent. */
  rewind(size: number): void {
    for (const prototype of this.#order.splice(size)) this.#numbers.delete(prototype);
  }

  /** What follows the tag of a described reference. */
  write(writer: Writer, object: object, shape: number): void {
    writer.varint(this.#parts.exportObject(object));
    const stub = stubOf(object);
    if (stub !== undefined) {
      writer.u8(shape);
      writer.varint(TypeForm.unknown);
      return;
    }
    const fixed = fixedPrototypeOf(object);
    let traits = Array.isArray(object) ? Trait.array : shape;
    if (fixed !== undefined) traits |= Trait.fixedPrototype;
    if (typeof object === "function" && decidesInstances(object)) traits |= Trait.decidesInstances;
    writer.u8(traits);
    this.#writeType(writer, Object.getPrototypeOf(object) as object | null);
    if (fixed !== undefined) this.#writeType(writer, fixed);
  }

  #writeType(writer: Writer, given: object | null): void {
    const { policy } = this.#parts;
    const prototype = tellablePrototype(policy, given);
    const intrinsic = intrinsicName(prototype);
    const number = prototype === null ? undefined : this.#numbers.get(prototype);
    if (intrinsic !== undefined) {
      writer.varint(TypeForm.intrinsic);
      this.#parts.writeName(writer, intrinsic);
    } else if (number !== undefined) {
      writer.varint(TypeForm.known + number);
    } else if (prototype === null || stubOf(prototype) !== undefined) {
      writer.varint(TypeForm.value);
      this.#parts.writeValue(writer, prototype);
    } else if (this.size >= MAX_TYPES) {
      writer.varint(TypeForm.unknown);
    } else {
      this.#describe(writer, prototype);
    }
  }

  #describe(writer: Writer, prototype: object): void {
    this.#numbers.set(prototype, this.#order.length);
    this.#order.push(prototype);
    writer.varint(TypeForm.described);
    this.write(writer, prototype, typeof prototype === "function" ? 2 : 0);
    writer.string(nameOf(prototype));
    const methods = methodsOf(this.#parts.policy, prototype);
    writer.varint(methods.length);
    for (const [key, method] of methods) {
      this.#parts.writeValue(writer, key);
      this.#parts.writeValue(writer, method);
    }
  }
}

/**
 * The prototype that a peer may get: under "capability" the next that is a class's or the engine's
 * own. What others hold can be read through the object; held by itself, it could be written to.
 */
export function tellablePrototype(policy: Policy, prototype: object | null): object | null {
  if (policy === "trusted") return prototype;
  let next = prototype;
  while (next !== null && stubOf(next) === undefined) {
    if (typeof next === "function" || isClassPrototype(next) || intrinsicName(next) !== undefined) {
      break;
    }
    next = Object.getPrototypeOf(next) as object | null;
  }
  return next;
}

/** Of a class: functions made by `function` may get another prototype at any time. */
export function fixedPrototypeOf(object: object): object | undefined {
  if (typeof object !== "function") return undefined;
  const descriptor = Object.getOwnPropertyDescriptor(object, "prototype");
  if (descriptor === undefined || descriptor.writable !== false) return undefined;
  const value: unknown = descriptor.value;
  return typeof value === "object" && value !== null ? value : undefined;
}

/** Whether a class says by itself what its instances are. */
export function decidesInstances(object: object): boolean {
  let holder: object | null = object;
  while (holder !== null && holder !== Function.prototype) {
    if (stubOf(holder) !== undefined || Object.hasOwn(holder, Symbol.hasInstance)) return true;
    holder = Object.getPrototypeOf(holder) as object | null;
  }
  return false;
}

function methodsOf(policy: Policy, prototype: object): [string | symbol, object][] {
  const methods: [string | symbol, object][] = [];
  for (const key of Reflect.ownKeys(prototype)) {
    if (key === "constructor" || methods.length === MAX_METHODS || !canCross(key)) continue;
    const value: unknown = Object.getOwnPropertyDescriptor(prototype, key)?.value;
    if (typeof value !== "function") continue;
    try {
      checkAccess(policy, prototype, key, "get");
      methods.push([key, value]);
    } catch {
      // Not for this peer.
    }
  }
  return methods;
}

/** Whether a key can be told: a symbol that exists only here can't. */
export function canCross(key: string | symbol): boolean {
  return typeof key === "string" || Symbol.keyFor(key) !== undefined || WELL_KNOWN_SYMBOLS.has(key);
}

const WELL_KNOWN_SYMBOLS: ReadonlySet<symbol> = new Set(
  // Not every engine has all of them.
  WELL_KNOWN.map((name) => Reflect.get(Symbol, name) as symbol | undefined).filter(
    (symbol) => symbol !== undefined,
  ),
);

/** Of a class, by its prototype; empty where it has none. */
export function nameOf(prototype: object): string {
  const maker: unknown =
    typeof prototype === "function"
      ? prototype
      : Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  if (typeof maker !== "function" || stubOf(maker) !== undefined) return "";
  const name: unknown = Object.getOwnPropertyDescriptor(maker, "name")?.value;
  return typeof name === "string" ? name.slice(0, MAX_TYPE_NAME_LENGTH) : "";
}
