import { isContainerIterator } from "./intrinsics.ts";
import { MAX_CHUNK } from "./iteration-source.ts";
import { List } from "./list.ts";
import { crossingItem, notePairs } from "./pairs.ts";

/** So many items come with an iterator over a container that has more than one answer should hold. */
const FIRST_ITEMS = 16;
/** A generator that takes its time is asked for no more after so long. */
const PATIENCE_MS = 5;

/** What a generator threw after items that were still to be told. */
const failures = new WeakMap<object, { readonly reason: unknown }>();

/**
 * The next items of an iterator of the engine's own, `wanted` at most: a list of whether that was all,
 * of what it returned if so, and of the items.
 *
 * @throws whatever a generator throws
 */
export function nextItems(iterator: Iterator<unknown>, wanted: unknown): List {
  const failure = failures.get(iterator);
  failures.delete(iterator);
  if (failure !== undefined) throw failure.reason;
  const most = Math.min(Math.max(1, Math.floor(Number(wanted)) || 1), MAX_CHUNK);
  const until = performance.now() + PATIENCE_MS;
  const mayTakeMore = (): boolean => isContainerIterator(iterator) || performance.now() < until;
  const items: unknown[] = [];
  try {
    do {
      const { done, value } = iterator.next();
      if (done === true) return new List([true, value, ...items]);
      items.push(crossingItem(iterator, value));
    } while (items.length < most && mayTakeMore());
  } catch (reason) {
    if (items.length === 0) throw reason;
    failures.set(iterator, { reason });
  }
  return new List([false, undefined, ...items]);
}

/** An iterator that a method of a container has made, and its first items: all, where they are few. */
export function withFirstItems(container: object, method: unknown, iterator: unknown): List {
  if (typeof iterator !== "object" || iterator === null || !isContainerIterator(iterator)) {
    return new List([iterator]);
  }
  notePairs(method, iterator);
  const size = sizeOf(container);
  const wanted = size < MAX_CHUNK ? size + 1 : FIRST_ITEMS;
  return new List([iterator, ...nextItems(iterator as Iterator<unknown>, wanted).values]);
}

function sizeOf(container: object): number {
  if (container instanceof Map || container instanceof Set) return container.size;
  return Array.isArray(container) ? container.length : MAX_CHUNK;
}
