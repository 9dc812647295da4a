import { WireError } from "../base/errors.ts";
import { FIRST_EXTENSION_TAG } from "../wire/value.ts";
import type { Result } from "./promised.ts";

/** How plain objects and arrays cross: by reference, as everything mutable does, or as copies. */
export type PlainMode = "reference" | "copy";

/**
 * A target as the peer wrote it: something it holds of ours, or a request of its own. Held and kept is
 * what was found by it before, missing what was not.
 */
export type ReceivedTarget =
  | { readonly type: "export"; readonly id: number }
  | { readonly type: "result"; readonly distance: number }
  | { readonly type: "held"; readonly object: unknown }
  | { readonly type: "kept"; readonly result: Result }
  | { readonly type: "missing"; readonly error: unknown };

/** What follows each of these is written by the encoder and read by the decoder, and by nobody else. */
export const Tag = {
  /** A thing of the sender's: id * 4 + shape. Between sides that tell types, of no class of its own. */
  reference: FIRST_EXTENSION_TAG,
  /** Something the receiver exported comes home: id. */
  home: FIRST_EXTENSION_TAG + 1,
  /** The result of a request, or a property of anything: 1 to resolve before the call, target, path. */
  expression: FIRST_EXTENSION_TAG + 2,
  /** id * 2, plus 1 to wait for it before the call. */
  promise: FIRST_EXTENSION_TAG + 3,
  /** id, then 1 and the reason if it is aborted. */
  signal: FIRST_EXTENSION_TAG + 4,
  /** id * 2, plus 1 if it is the receiver's, then the error. */
  error: FIRST_EXTENSION_TAG + 5,
  scalar: FIRST_EXTENSION_TAG + 6,
  /** 1 and a value for each, 0, then 1 if that was all, else 0 and where the rest comes from. */
  chunk: FIRST_EXTENSION_TAG + 7,
  /** 1 if it is frozen, then the root, which is a node. */
  graph: FIRST_EXTENSION_TAG + 8,
  node: FIRST_EXTENSION_TAG + 9,
  /** A thing of the sender's for a peer that uses proxies, with its type: see `DescribedTypes`. */
  described: FIRST_EXTENSION_TAG + 10,
  /** Something that every engine has: its name. */
  intrinsic: FIRST_EXTENSION_TAG + 11,
  /** A number of values, the values. */
  list: FIRST_EXTENSION_TAG + 12,
  /** An instance of a value class: the name of the class, what it packed. */
  packed: FIRST_EXTENSION_TAG + 13,
  /** 0 for a readable, 1 for a writable stream of the sender's; then what it is read or written by. */
  stream: FIRST_EXTENSION_TAG + 14,
  /** A reference, then the type of the thing, or of the instances of the class: see `ToldTypes`. */
  typed: FIRST_EXTENSION_TAG + 15,
} as const;

/** Breaks off what can't be read. */
export function malformed(problem: string): never {
  throw new WireError("WIRE_MALFORMED", `the bytes are no frame: ${problem}`);
}
