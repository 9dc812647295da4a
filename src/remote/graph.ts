import { WireError } from "../base/errors.ts";
import { kindOf } from "../wire/kind.ts";
import type { Reader } from "../wire/reader.ts";
import type { Writer } from "../wire/writer.ts";

const Node = { again: 0, object: 1, array: 2, map: 3, set: 4 } as const;

type Container = unknown[] | Map<unknown, unknown> | Set<unknown> | Record<string, unknown>;

/** Writes containers that may hold each other: each once, and by its number from then on. */
export class GraphWriter {
  readonly #numbers = new Map<object, number>();
  /** A graph that is frozen holds no Maps and Sets, which can't be frozen. */
  readonly #frozen: boolean;

  constructor(frozen: boolean) {
    this.#frozen = frozen;
  }

  /** Whether this object is copied as part of the graph. */
  takes(value: object): boolean {
    const kind = kindOf(value);
    if (kind === "object" || kind === "array") return true;
    return !this.#frozen && (value instanceof Map || value instanceof Set);
  }

  write(writer: Writer, value: object, writeInner: (inner: unknown) => void): void {
    const number = this.#numbers.get(value);
    if (number !== undefined) {
      writer.u8(Node.again);
      writer.varint(number);
      return;
    }
    this.#numbers.set(value, this.#numbers.size);
    if (value instanceof Map) {
      begin(writer, Node.map, value.size);
      for (const [key, inner] of value) {
        writeInner(key);
        writeInner(inner);
      }
    } else if (value instanceof Set) {
      begin(writer, Node.set, value.size);
      for (const inner of value) writeInner(inner);
    } else if (Array.isArray(value)) {
      const { length } = value;
      begin(writer, Node.array, length);
      for (let i = 0; i < length; i++) writeInner(value[i]);
    } else {
      writeObject(writer, value as Record<string, unknown>, writeInner);
    }
    writer.leave();
  }
}

function writeObject(
  writer: Writer,
  object: Record<string, unknown>,
  writeInner: (inner: unknown) => void,
): void {
  const keys = Object.keys(object);
  begin(writer, Node.object, keys.length);
  for (const key of keys) {
    writer.place(key);
    writer.string(key);
    writeInner(object[key]);
  }
}

function begin(writer: Writer, kind: number, items: number): void {
  writer.u8(kind);
  writer.varint(items);
  writer.enter(undefined, items);
}

/** Reads what a `GraphWriter` wrote. */
export class GraphReader {
  readonly #readInner: () => unknown;
  readonly #nodes: Container[] = [];

  constructor(readInner: () => unknown) {
    this.#readInner = readInner;
  }

  /** @throws WireError `WIRE_MALFORMED`, `WIRE_LIMIT` */
  read(reader: Reader): Container {
    const kind = reader.u8();
    const count = reader.varint();
    if (kind === Node.again) return this.#nodes[count] ?? malformed();
    // Values take a byte at least, and so do names.
    reader.enter(count, kind === Node.object || kind === Node.map ? 2 : 1);
    const node = this.#fill(kind, count, reader);
    reader.leave();
    return node;
  }

  /** Once the graph is read. */
  freeze(): void {
    for (const node of this.#nodes) Object.freeze(node);
  }

  #fill(kind: number, count: number, reader: Reader): Container {
    switch (kind) {
      case Node.object:
        return this.#object(count, reader);
      case Node.array: {
        const array = this.#add<unknown[]>([]);
        for (let i = 0; i < count; i++) array.push(this.#readInner());
        return array;
      }
      case Node.map: {
        const map = this.#add(new Map<unknown, unknown>());
        for (let i = 0; i < count; i++) map.set(this.#readInner(), this.#readInner());
        return map;
      }
      case Node.set: {
        const set = this.#add(new Set<unknown>());
        for (let i = 0; i < count; i++) set.add(this.#readInner());
        return set;
      }
      default:
        return malformed();
    }
  }

  #object(count: number, reader: Reader): Container {
    const object = this.#add<Record<string, unknown>>({});
    for (let i = 0; i < count; i++) {
      const { text, inherited } = reader.key();
      const value = this.#readInner();
      if (!inherited) object[text] = value;
      else {
        // An assignment might run a setter of Object.prototype.
        Object.defineProperty(object, text, {
          value,
          enumerable: true,
          writable: true,
          configurable: true,
        });
      }
    }
    return object;
  }

  #add<T extends Container>(node: T): T {
    this.#nodes.push(node);
    return node;
  }
}

function malformed(): never {
  throw new WireError("WIRE_MALFORMED", "the bytes are no graph");
}
