import type { Reader } from "../wire/reader.ts";
import { readValue, writeValue } from "../wire/value.ts";
import type { Writer } from "../wire/writer.ts";

const MAX_KNOWN = 256;

/**
 * Which errors crossed lately, so that an error that comes home is the very object that left. Nothing
 * is kept alive for it: where nobody here holds the original any more, a copy is as good.
 */
export class KnownErrors {
  readonly #sent = new Map<number, WeakRef<Error>>();
  readonly #idOfSent = new WeakMap<Error, number>();
  readonly #idOfReceived = new WeakMap<Error, number>();
  #lastId = 0;

  /** The id under which this error left. */
  send(error: Error): number {
    let id = this.#idOfSent.get(error);
    if (id === undefined || !this.#sent.has(id)) {
      id = ++this.#lastId;
      this.#idOfSent.set(error, id);
      this.#sent.set(id, new WeakRef(error));
      this.#sent.delete(id - MAX_KNOWN);
    }
    return id;
  }

  /** The peer's id of an error that came from there. */
  originOf(error: Error): number | undefined {
    return this.#idOfReceived.get(error);
  }

  /** Whether this is a copy of an error of the peer's. */
  isForeign(value: unknown): value is Error {
    return value instanceof Error && this.#idOfReceived.has(value);
  }

  receive(error: Error, id: number): void {
    this.#idOfReceived.set(error, id);
  }

  /** The original of an error that comes home, if it is still around. */
  home(id: number): Error | undefined {
    return this.#sent.get(id)?.deref();
  }
}

/** The wire's error record, behind a number that says whose error it is. */
export function writeError(writer: Writer, error: Error, known: KnownErrors): void {
  const origin = known.originOf(error);
  writer.varint(origin === undefined ? known.send(error) * 2 : origin * 2 + 1);
  writeValue(writer, error);
}

/** The original where it comes home; otherwise a copy. */
export function readError(reader: Reader, known: KnownErrors): unknown {
  const number = reader.varint();
  const copy = readValue(reader);
  if (number % 2 === 1) return known.home((number - 1) / 2) ?? copy;
  if (copy instanceof Error) known.receive(copy, number / 2);
  return copy;
}

/** Says, at the end of a stack that came from elsewhere, which call here it belongs to. */
export function addCallSite(error: unknown, site: string): void {
  if (!(error instanceof Error) || typeof error.stack !== "string") return;
  Object.defineProperty(error, "stack", {
    value: `${error.stack}\n${site}`,
    writable: true,
    configurable: true,
  });
}
