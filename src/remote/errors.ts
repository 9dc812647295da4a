import { BanyanError } from "../base/errors.ts";
import type { Reader } from "../wire/reader.ts";
import { readValue, writeValue } from "../wire/value.ts";
import type { Writer } from "../wire/writer.ts";
import type { Caller } from "./call.ts";
import { malformed, Tag } from "./codec.ts";
import type { ExportTable } from "./exports.ts";
import { Imported } from "./imports.ts";
import { stubOf } from "./stub-handle.ts";

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

/** What writing an error needs of its session. */
export interface ErrorContext {
  readonly errors: KnownErrors;
  readonly caller: Caller;
  readonly exports: ExportTable;
}

/** And of the encoder whose frame it is in. */
export interface ErrorWriting {
  home(original: Imported): void;
  lend(): void;
}

/**
 * The wire's error record, behind a number that says whose error it is, and before a reference to the
 * error itself, unless it is the session's own, of which a copy says all. One that came from the peer
 * goes home by its reference, where that was not given up.
 */
export function writeError(
  writer: Writer,
  error: Error,
  { errors, caller, exports }: ErrorContext,
  write: ErrorWriting,
): void {
  const target = stubOf(originals.get(error))?.target;
  if (target instanceof Imported && target.caller === caller && !target.released) {
    write.home(target);
    return;
  }
  writer.u8(Tag.error);
  const origin = errors.originOf(error);
  const isLent = origin === undefined && exports.hasRoomForMore && !BanyanError.is(error);
  if (isLent) writer.varint(LENT);
  if (origin === undefined) writer.varint(errors.send(error) * 2);
  else writer.varint(origin * 2 + 1);
  writeValue(writer, error);
  if (isLent) write.lend();
}

/** Stands before the number of an error that a reference follows; no error has it as its own. */
const LENT = 0;

/** The original where it comes home; otherwise a copy, of which it is known what it is a copy of. */
export function readError(
  reader: Reader,
  known: KnownErrors,
  readReference: () => unknown,
): unknown {
  const first = reader.varint();
  const number = first === LENT ? reader.varint() : first;
  const copy = readValue(reader);
  const original = first === LENT ? readReference() : undefined;
  if (number % 2 === 1) return known.home((number - 1) / 2) ?? copy;
  if (!(copy instanceof Error)) malformed("an error that is none");
  known.receive(copy, number / 2);
  if (first !== LENT) return copy;
  if (stubOf(original)?.isReference !== true) malformed("the original of an error that is nowhere");
  originals.set(copy, original as object);
  return copy;
}

/** Of copies: what they are copies of. */
const originals = new WeakMap<Error, object>();

/**
 * What an error that came from a peer is a copy of: a reference to the very error that was thrown there,
 * with the methods of its class. `undefined` for errors of this side, and those that this package
 * throws.
 */
export function originalOf(error: unknown): object | undefined {
  return error instanceof Error ? originals.get(error) : undefined;
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
