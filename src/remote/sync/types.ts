import type { Reader } from "../../wire/reader.ts";
import { malformed } from "../codec.ts";
import type { TypeReader, TypeReaderParts } from "../decoder.ts";
import { MAX_METHODS, MAX_TYPE_NAME_LENGTH, MAX_TYPES, Trait, TypeForm } from "../described.ts";
import type { ImportSource, ImportTable, Shape } from "../imports.ts";
import { intrinsicNamed } from "../intrinsics.ts";
import { ITEMS_OF_REFERENCE } from "../protocol.ts";
import { SyncProxy } from "./proxy.ts";

/** A type that is being read has no prototype yet. */
type Prototype = object | null | undefined;

/** What the peer has told of types, as `DescribedTypes` writes it. Kept as long as the session is. */
export class ReceivedTypes implements TypeReader {
  readonly #imports: ImportTable;
  readonly #source: ImportSource;
  readonly #prototypes: Prototype[] = [];

  constructor(imports: ImportTable, source: ImportSource) {
    this.#imports = imports;
    this.#source = source;
  }

  readReference(reader: Reader, parts: TypeReaderParts): object {
    // Types hold types: the limit on nesting is for them too.
    reader.enter(0, 0);
    reader.count(ITEMS_OF_REFERENCE);
    const id = reader.varint();
    const traits = reader.u8();
    const shape = (traits & Trait.shapeBits) as Shape;
    const proxy = this.#imports.receive(id, shape, this.#source);
    const prototype = this.#readType(reader, parts);
    const fixed = (traits & Trait.fixedPrototype) === 0 ? undefined : this.#readType(reader, parts);
    reader.leave();
    const decides = (traits & Trait.decidesInstances) !== 0;
    SyncProxy.tell(proxy, prototype, { fixed: fixed ?? undefined, decides });
    return proxy;
  }

  intrinsic(name: string): object {
    return intrinsicNamed(name) ?? malformed(`this engine has no ${name}`);
  }

  #readType(reader: Reader, parts: TypeReaderParts): Prototype {
    const form = reader.varint();
    switch (form) {
      case TypeForm.described:
        return this.#imports.retain(() => this.#readDescription(reader, parts));
      case TypeForm.value:
        return this.#readValue(reader, parts);
      case TypeForm.unknown:
        return undefined;
      case TypeForm.intrinsic:
        return this.intrinsic(parts.readName(reader));
      default:
        if (form - TypeForm.known >= this.#prototypes.length) malformed("a type that was not told");
        return this.#prototypes[form - TypeForm.known];
    }
  }

  #readDescription(reader: Reader, parts: TypeReaderParts): object {
    const number = this.#prototypes.push(undefined) - 1;
    if (number >= MAX_TYPES) malformed("too many types");
    const prototype = this.readReference(reader, parts);
    this.#prototypes[number] = prototype;
    const name = reader.string();
    const count = reader.varint();
    if (name.length > MAX_TYPE_NAME_LENGTH || count > MAX_METHODS) {
      malformed("a type of too much");
    }
    const methods = new Map<string | symbol, object>();
    for (let left = count; left > 0; left--) {
      const key = parts.readValue(reader);
      const method = parts.readValue(reader);
      if ((typeof key !== "string" && typeof key !== "symbol") || typeof method !== "function") {
        malformed("a type with a method that is none");
      }
      methods.set(key, method);
    }
    SyncProxy.describe(prototype, { name, methods });
    return prototype;
  }

  #readValue(reader: Reader, parts: TypeReaderParts): object | null {
    const value = parts.readValue(reader);
    if (value === null || typeof value === "object" || typeof value === "function") return value;
    return malformed("a prototype that is no object");
  }
}
