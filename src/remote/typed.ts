import type { Reader } from "../wire/reader.ts";
import type { Writer } from "../wire/writer.ts";
import { malformed } from "./codec.ts";
import {
  decidesInstances,
  fixedPrototypeOf,
  MAX_TYPES,
  nameOf,
  tellablePrototype,
} from "./described.ts";
import { Shape } from "./imports.ts";
import { intrinsicName } from "./intrinsics.ts";
import type { Policy } from "./policy.ts";
import { RemoteType } from "./remote-type.ts";
import { stubOf } from "./stub-handle.ts";

/** How a type is told to a side with stubs. From `known` on it is a number that was given out before. */
const Form = { unknown: 0, intrinsic: 1, told: 2, known: 3 } as const;

const MAX_TEXT = 256;

/**
 * The types that were told to a peer with stubs: of each the name and what it extends, once. A type is
 * a prototype; that of a reference to a class is the one of its instances.
 */
export class ToldTypes {
  readonly #policy: Policy;
  readonly #writeName: (writer: Writer, name: string) => void;
  readonly #numbers = new Map<object, number>();
  readonly #order: object[] = [];

  constructor(policy: Policy, writeName: (writer: Writer, name: string) => void) {
    this.#policy = policy;
    this.#writeName = writeName;
  }

  /** How many there are: what `rewind` takes. */
  get size(): number {
    return this.#order.length;
  }

  /** Forgets what was added since there were `size`: its frame was not sent. */
  rewind(size: number): void {
    if (this.#order.length === size) return;
    for (const prototype of this.#order.splice(size)) this.#numbers.delete(prototype);
  }

  /** What the reference alone tells; `undefined` where `write` is to follow it. */
  static plainShape(object: object, shape: Shape): Shape | undefined {
    if (shape === Shape.function) return shape;
    if (shape === Shape.constructor) return hasInstancesOfOneType(object) ? undefined : shape;
    if (stubOf(object) !== undefined) return undefined;
    const prototype: unknown = Object.getPrototypeOf(object);
    if (prototype === Object.prototype) return Shape.object;
    return prototype === Array.prototype && Array.isArray(object) ? Shape.array : undefined;
  }

  /** The type of what `plainShape` left to it. */
  write(writer: Writer, object: object, shape: Shape): void {
    if (stubOf(object) !== undefined) {
      writer.varint(Form.unknown);
      return;
    }
    const prototype =
      shape === Shape.constructor ? fixedPrototypeOf(object) : Object.getPrototypeOf(object);
    this.#writeType(writer, (prototype ?? null) as object | null);
  }

  #writeType(writer: Writer, given: object | null): void {
    let next = given;
    for (;;) {
      const known = next === null ? undefined : this.#numbers.get(next);
      if (known !== undefined) {
        writer.varint(Form.known + known);
        return;
      }
      const prototype = tellablePrototype(this.#policy, next);
      if (prototype !== next) {
        next = prototype;
        continue;
      }
      const intrinsic = intrinsicName(prototype);
      if (intrinsic !== undefined) {
        writer.varint(Form.intrinsic);
        this.#writeName(writer, intrinsic);
        return;
      }
      if (prototype === null || stubOf(prototype) !== undefined || this.size >= MAX_TYPES) {
        writer.varint(Form.unknown);
        return;
      }
      this.#numbers.set(prototype, this.#order.length);
      this.#order.push(prototype);
      writer.varint(Form.told);
      writer.string(nameOf(prototype));
      writer.string(tagOf(prototype));
      next = Object.getPrototypeOf(prototype) as object | null;
    }
  }
}

/** The types that the peer has told, as `ToldTypes` writes them. */
export class KnownTypes {
  readonly #types: (RemoteType | undefined)[] = [];
  readonly #intrinsics = new Map<string, RemoteType | undefined>();

  /** `undefined` for one that the peer does not tell. @throws WireError `WIRE_MALFORMED` */
  read(reader: Reader, readName: (reader: Reader) => string): RemoteType | undefined {
    let form = reader.varint();
    if (form >= Form.known) return this.#known(form, this.#types.length);
    const first = this.#types.length;
    const told: { readonly name: string; readonly tag: string }[] = [];
    for (; form === Form.told; form = reader.varint()) {
      if (this.#types.push(undefined) > MAX_TYPES) malformed("too many types");
      told.push({ name: readText(reader), tag: readText(reader) });
    }
    let type = this.#readEnd(form, first, () => readName(reader));
    for (let i = told.length - 1; i >= 0; i--) {
      const { name, tag } = told[i] as (typeof told)[number];
      type = RemoteType.told(name, tag, type);
      this.#types[first + i] = type;
    }
    return type;
  }

  #readEnd(form: number, before: number, readName: () => string): RemoteType | undefined {
    if (form === Form.unknown) return undefined;
    if (form === Form.intrinsic) return this.#intrinsic(readName());
    return this.#known(form, before);
  }

  #known(form: number, before: number): RemoteType | undefined {
    const number = form - Form.known;
    if (number >= before) malformed("a type that was not told");
    return this.#types[number];
  }

  #intrinsic(name: string): RemoteType | undefined {
    if (this.#intrinsics.has(name)) return this.#intrinsics.get(name);
    const type = RemoteType.intrinsic(name);
    // What this engine does not have is not noted: a peer could name anything.
    if (type !== undefined) this.#intrinsics.set(name, type);
    return type;
  }
}

function hasInstancesOfOneType(object: object): boolean {
  if (stubOf(object) !== undefined || intrinsicName(object) !== undefined) return false;
  return fixedPrototypeOf(object) !== undefined && !decidesInstances(object);
}

function tagOf(prototype: object): string {
  const tag: unknown = Object.getOwnPropertyDescriptor(prototype, Symbol.toStringTag)?.value;
  return typeof tag === "string" ? tag.slice(0, MAX_TEXT) : "";
}

function readText(reader: Reader): string {
  const text = reader.string();
  return text.length <= MAX_TEXT ? text : malformed("a class with an endless name");
}
