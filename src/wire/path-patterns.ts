import { type ElementKey, elementKey } from "./element-key.ts";
import { comparePaths } from "./path-key.ts";
import type { Path, PathElement } from "./path.ts";

/** In a pattern, any one element. */
const ONE = "+";
/** In a pattern, one element or more. */
const MANY = "#";

interface Branch<T> {
  found: PatternMatch<T> | undefined;
  readonly children: Map<ElementKey, Branch<T>>;
}

/** What a path was found to match. */
export interface PatternMatch<T> {
  readonly pattern: Path;
  readonly value: T;
}

/**
 * Things by patterns of paths, of which the most specific is found. In a pattern, the element `+` stands
 * for any one element and `#` for one or more, in any place; so `a.#` is not about `a` itself.
 *
 * The first element from the left in which two patterns differ decides: one that is spelt out goes
 * before `+`, and that before `#`. A path's own elements are never taken for wildcards, and as the first
 * one, `except` (Banyan's own data) is matched by no wildcard. Patterns that are alike in that, as `#.a.#`
 * and `#.b.#`, go by the order of paths, so that what is found never depends on what was set first.
 */
export class PathPatterns<T> {
  readonly #root: Branch<T> = branch();
  readonly #except: PathElement | undefined;
  #size = 0;

  constructor(except?: PathElement) {
    this.#except = except;
  }

  /** How many patterns there are. */
  get size(): number {
    return this.#size;
  }

  /** In the place of what there is for the same pattern. */
  set(pattern: Path, value: T): void {
    let at = this.#root;
    for (const element of pattern) {
      const key = elementKey(element);
      let next = at.children.get(key);
      if (next === undefined) at.children.set(key, (next = branch()));
      at = next;
    }
    if (at.found === undefined) this.#size++;
    at.found = { pattern, value };
  }

  /** What the most specific pattern has that matches `path`. */
  find(path: readonly PathElement[]): PatternMatch<T> | undefined {
    if (this.#size === 0) return undefined;

    let places = new Map([[this.#root, false]]);
    for (let index = 0; index < path.length && places.size > 0; index++) {
      places = this.#step(places, path[index] as PathElement, index);
    }
    let best: PatternMatch<T> | undefined;
    for (const { found } of places.keys()) {
      if (found === undefined) continue;
      if (best === undefined || isMoreSpecific(found.pattern, best.pattern)) best = found;
    }
    return best;
  }

  /** Where one more element leads to. The values say which places are a `#`. */
  #step(
    places: ReadonlyMap<Branch<T>, boolean>,
    element: PathElement,
    index: number,
  ): Map<Branch<T>, boolean> {
    const next = new Map<Branch<T>, boolean>();
    const key = elementKey(element);
    const wild = index > 0 || element !== this.#except;
    for (const [place, isMany] of places) {
      if (isMany) next.set(place, true);
      // A name of a path that looks like a wildcard is a name like any other.
      const literal = key === ONE || key === MANY ? undefined : place.children.get(key);
      if (literal !== undefined) next.set(literal, false);
      if (!wild) continue;
      const one = place.children.get(ONE);
      if (one !== undefined) next.set(one, false);
      const many = place.children.get(MANY);
      if (many !== undefined) next.set(many, true);
    }
    return next;
  }
}

function branch<T>(): Branch<T> {
  return { found: undefined, children: new Map() };
}

/** Of two patterns that match one path. */
function isMoreSpecific(a: Path, b: Path): boolean {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = rank(a[i]) - rank(b[i]);
    if (difference !== 0) return difference < 0;
  }
  return comparePaths(a, b) < 0;
}

function rank(element: PathElement | undefined): number {
  if (element === undefined) return 3;
  return element === MANY ? 2 : element === ONE ? 1 : 0;
}
