import { Path } from "../wire/path.ts";
import type { HistoryRule } from "./engine.ts";
import { PrefixIndex } from "./prefix-index.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/**
 * What holds where nobody has said anything else. Of Banyan's own data what people write is kept for
 * long, and what nodes write all the time not at all.
 */
const DEFAULT_RULES: readonly HistoryRule[] = [
  rule([], 10, 30),
  rule([".banyan"], 0, 0),
  rule([".banyan", "code"], 100, 365),
  rule([".banyan", "job"], 100, 365),
  rule([".banyan", "group"], 20, 365),
  rule([".banyan", "rule"], 20, 365),
];

/** Which rule holds for a path: that of the longest prefix. */
export class HistoryRules {
  readonly #index = new PrefixIndex<HistoryRule>();
  readonly #rules = new Map<string, HistoryRule>();
  readonly #own = new Set<string>();

  /** The defaults, and over them those that somebody made. */
  constructor(own: readonly HistoryRule[] = []) {
    for (const one of DEFAULT_RULES) this.#put(one);
    for (const one of own) this.set(one);
  }

  set(one: HistoryRule): void {
    this.#put(one);
    this.#own.add(one.prefix.toString());
  }

  /** Those that somebody made. */
  get own(): HistoryRule[] {
    return [...this.#own].map((text) => this.#rules.get(text) as HistoryRule);
  }

  /** All of them, the widest first. */
  get all(): HistoryRule[] {
    return [...this.#rules.values()].toSorted((a, b) => a.prefix.length - b.prefix.length);
  }

  for(path: Path): HistoryRule {
    let found = DEFAULT_RULES[0] as HistoryRule;
    this.#index.forEach(path, (one) => (found = one));
    return found;
  }

  #put(one: HistoryRule): void {
    const text = one.prefix.toString();
    const before = this.#rules.get(text);
    if (before !== undefined) this.#index.delete(before.prefix, before);
    this.#rules.set(text, one);
    this.#index.add(one.prefix, one);
  }
}

function rule(prefix: readonly string[], versions: number, days: number): HistoryRule {
  return { prefix: Path.fromElements(prefix), versions, maxAgeMs: days * DAY_MS };
}
