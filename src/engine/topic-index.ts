import { EngineError } from "../base/errors.ts";
import { elementKey } from "../wire/element-key.ts";
import { formatPath } from "../wire/path-format.ts";
import type { Path, PathElement } from "../wire/path.ts";
import { type Branch, PathBranches } from "./path-branches.ts";

/** Stands for one element of a topic, as in MQTT. */
const ONE = "+";
/** Stands for any number of elements, also none. */
const MANY = "#";

/**
 * Who listens to which topics: in a pattern, every "+" and "#" is a wildcard. Finding those of a topic
 * costs no more than its length times the number of patterns' parts that fit so far, whatever the
 * patterns are.
 */
export class TopicIndex<T> extends PathBranches<T> {
  /** The items whose patterns fit `topic`, each once. */
  find(topic: Path): T[] {
    let active = withMany(new Set([this.root]));
    for (const element of topic) {
      const key = elementKey(element);
      const next = new Set<Branch<T>>();
      for (const branch of active) {
        // Whatever element comes, the search stays at a "#" as well.
        if (branch.element === MANY) next.add(branch);
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
