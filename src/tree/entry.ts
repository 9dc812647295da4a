import { BanyanError, TreeError } from "../base/errors.ts";
import type { EngineEntry, EntryInPlace, Revision } from "../engine/engine.ts";
import type { Path } from "../wire/path.ts";
import { decodeValue, decodeValueAt, encodeForNow, encodeValue } from "../wire/value.ts";

/** One entry of the tree with its value decoded. */
export interface TreeEntry {
  readonly path: Path;
  /** `undefined` only where there is an `error`: nothing can be stored as `undefined`. */
  readonly value: unknown;
  readonly revision: Revision;
  /** Who wrote it, as the writer said; for people. */
  readonly author: string;
  /** When the store took it: milliseconds since 1970 by the store's wall clock; for people. */
  readonly time: number;
  /** Why the stored bytes are no value to this version, as when something newer wrote them. */
  readonly error?: BanyanError;
}

/** Decodes what an engine stores. Never throws: an entry that can't be decoded carries the `error`. */
export function toTreeEntry(stored: EngineEntry): TreeEntry {
  const { path, revision, author, time } = stored;
  try {
    if (stored.error !== undefined) throw stored.error;
    return { path, value: decodeValue(stored.value), revision, author, time };
  } catch (error) {
    return { path, value: undefined, revision, author, time, error: asBanyanError(error, path) };
  }
}

/** As `toTreeEntry`, of bytes that are the engine's and will be written to again. */
export function entryInPlace(stored: EntryInPlace): TreeEntry {
  const { path, revision, author, time, bytes, start, end, view } = stored;
  try {
    return { path, value: decodeValueAt(bytes, start, end, view), revision, author, time };
  } catch (error) {
    return { path, value: undefined, revision, author, time, error: asBanyanError(error, path) };
  }
}

/** The value alone. @throws WireError if it can't be decoded */
export function valueInPlace(stored: EntryInPlace): unknown {
  try {
    return decodeValueAt(stored.bytes, stored.start, stored.end, stored.view);
  } catch (error) {
    throw asBanyanError(error, stored.path);
  }
}

/** The entry's value. @throws the entry's `error` where it carries one */
export function valueOf(entry: TreeEntry): unknown {
  if (entry.error !== undefined) throw entry.error;
  return entry.value;
}

/**
 * The bytes under which a value is stored, in a buffer of their own.
 *
 * @throws TreeError `TREE_BAD_VALUE` for what does not cross by value, is over a limit, or is
 *   `undefined`; the message names the place inside the value
 */
export function encodeTreeValue(value: unknown): Uint8Array {
  return encodeBy(encodeValue, value);
}

/** The same for an engine that is given them at once, and copies them: see `encodeForNow`. */
export function encodeForEngine(value: unknown): Uint8Array {
  return encodeBy(encodeForNow, value);
}

function encodeBy(encode: (value: unknown) => Uint8Array, value: unknown): Uint8Array {
  if (value === undefined) {
    throw new TreeError(
      "TREE_BAD_VALUE",
      "undefined can't be stored: store null, or delete the entry",
    );
  }
  try {
    return encode(value);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "it could not be read";
    const details = BanyanError.is(cause) ? cause.details : {};
    throw new TreeError("TREE_BAD_VALUE", `the value can't be stored: ${why}`, { cause, details });
  }
}

function asBanyanError(error: unknown, path: Path): BanyanError {
  if (BanyanError.is(error)) return error;
  return new TreeError("TREE_BAD_VALUE", "the stored value can't be read", {
    cause: error,
    details: { path },
  });
}
