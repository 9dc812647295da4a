import type { Reader } from "./reader.ts";
import { TAG } from "./tags.ts";
import type { Writer } from "./writer.ts";

/**
 * Takes over what is no plain value, as references to objects. Its tags are `FIRST_EXTENSION_TAG` and
 * the 15 behind it: `write` writes one of them and whatever is to follow, other values included (by
 * `writeValue` with the same writer and itself); `read` gets the tag and reads just that.
 */
export interface ValueExtension extends ValueWriteExtension, ValueReadExtension {}

/** The writing half of an extension. */
export interface ValueWriteExtension {
  /**
   * Asked for every object, arrays and plain ones included, before anything else looks at it: true
   * hands it to `write`. Where it is missing, plain values are copied.
   */
  claims?(value: object): boolean;

  /**
   * Gets what was claimed, and functions, symbols and objects that are no plain values.
   *
   * @returns false, with nothing written, for what it can't take: that is refused
   */
  write(writer: Writer, value: unknown): boolean;
}

/** The reading half of an extension. */
export interface ValueReadExtension {
  /** @throws WireError `WIRE_MALFORMED` for a tag it doesn't know */
  read(tag: number, reader: Reader): unknown;
}

/** The first of the 16 tags that extensions may use. */
export const FIRST_EXTENSION_TAG = TAG.extension;
