import { EngineError } from "../base/errors.ts";
import { formatPath } from "../wire/path-format.ts";
import type { Path, PathElement } from "../wire/path.ts";
import { mapKey } from "./prefix-index.ts";

/** Stands for one element of a topic, as in MQTT. */
const ONE = "+";
/** Stands for any number of elements, also none. */
const MANY = "#";

interface Branch<T> {
  readonly items: Set<T>;
  readonly branches: Map<PathElement, Branch<T>>;
  /** Reached by a "#": whatever element comes, the search stays here as well. */
  readonly stays: boolean;
}

/**
 * Who listens to which topics. Finding those of a topic costs no more than its length times the number
 * of patterns' parts that fit so far, whatever the patterns are.
 */
export class TopicIndex<T> {
  readonly #root: Branch<T> = newBranch(false);

  /** `pattern`: every "+" and "#" in it is a wildcard; without one it is this very topic. */
  add(pattern: readonly PathElement[], item: T): void {
    let branch = this.#root;
    for (const element of pattern) {
      const key = mapKey(element);
      let next = branch.branches.get(key);
      if (next === undefined) branch.branches.set(key, (next = newBranch(element === MANY)));
      branch = next;
    }
    branch.items.add(item);
  }

  /** Forgets `item`, and the branches that lead to nothing any more. */
  delete(pattern: readonly PathElement[], item: T): void {
    const way: Branch<T>[] = [this.#root];
    for (const element of pattern) {
      const next = way.at(-1)?.branches.get(mapKey(element));
      if (next === undefined) return;
      way.push(next);
    }
    way.at(-1)?.items.delete(item);
    for (let depth = way.length - 1; depth > 0; depth--) {
      const { items, branches } = way[depth] as Branch<T>;
      if (items.size > 0 || branches.size > 0) return;
      way[depth - 1]?.branches.delete(mapKey(pattern[depth - 1] as PathElement));
    }
  }

  /** The items whose patterns fit `topic`, each once. */
  find(topic: Path): T[] {
    let active = withMany(new Set([this.#root]));
    for (const element of topic) {
      const key = mapKey(element);
      const next = new Set<Branch<T>>();
      for (const branch of active) {
        if (branch.stays) next.add(branch);
        const same = branch.branches.get(key);
        if (same !== undefined) next.add(same);
        const one = branch.branches.get(ONE);
        if (one !== undefined) next.add(one);
      }
      if (next.size === 0) return [];
      active = withMany(next);
    }
    const found = new Set<T>();
    for (const { items } of active) for (const item of items) found.add(item);
    return [...found];
  }
}

/** A "#" may stand for nothing. A set that grows while it is walked is walked to its new end. */
function withMany<T>(active: Set<Branch<T>>): Set<Branch<T>> {
  for (const { branches } of active) {
    const many = branches.get(MANY);
    if (many !== undefined) active.add(many);
  }
  return active;
}

function newBranch<T>(stays: boolean): Branch<T> {
  return { items: new Set(), branches: new Map(), stays };
}

/** What a subscription to `topic` hears: without wildcards that topic and all below it. */
export function patternOf(topic: Path): readonly PathElement[] {
  return hasWildcard(topic) ? topic : [...topic, MANY];
}

/** @throws EngineError `ENGINE_BAD_TOPIC` for one with wildcards */
export function checkTopic(topic: Path): void {
  if (!hasWildcard(topic)) return;
  throw new EngineError(
    "ENGINE_BAD_TOPIC",
    `${formatPath(topic)} is for those who listen: name one topic, without + and #`,
  );
}

function hasWildcard(topic: Path): boolean {
  return topic.includes(ONE) || topic.includes(MANY);
}
