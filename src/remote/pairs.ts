import { List } from "./list.ts";

const ENTRIES: ReadonlySet<unknown> = new Set(
  [Map, Set, Array].map(
    (Class) => Object.getOwnPropertyDescriptor(Class.prototype, "entries")?.value as unknown,
  ),
);
const givers = new WeakSet<object>();

/**
 * Notes an iterator that a method has made. What the engine's own over keys and values gives are arrays
 * that it makes for whoever asks: nobody can tell a copy from them.
 */
export function notePairs(method: unknown, iterator: unknown): void {
  if (ENTRIES.has(method)) givers.add(iterator as object);
}

/** An item of an iterator, as it crosses: pairs with what is in them one by one. */
export function crossingItem(iterator: object, item: unknown): unknown {
  return givers.has(iterator) ? new List(item as readonly unknown[]) : item;
}

/** An item as it was before it crossed. */
export function arrivedItem(item: unknown): unknown {
  return item instanceof List ? [...item.values] : item;
}
