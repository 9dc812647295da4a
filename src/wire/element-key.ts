import type { PathElement } from "./path.ts";

/** `Map` tells 1, "1" and true apart by itself; bytes become a bigint, which no element is. */
export type ElementKey = Exclude<PathElement, Uint8Array> | bigint;

/** What stands for an element as the key of a `Map`. */
export function elementKey(element: PathElement): ElementKey {
  if (!(element instanceof Uint8Array)) return element;
  // The leading 1 keeps zeros in front, and gives no bytes a number too.
  let hex = "0x1";
  for (const byte of element) hex += byte.toString(16).padStart(2, "0");
  return BigInt(hex);
}
