import { encodeTreeValue } from "../tree/entry.ts";

/** Whether two stored values are the same, keys of objects in the same order. */
export function sameValue(a: unknown, b: unknown): boolean {
  const [x, y] = [encodeTreeValue(a), encodeTreeValue(b)];
  return x.length === y.length && x.every((byte, i) => byte === y[i]);
}
