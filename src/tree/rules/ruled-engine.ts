import { abortable, type AbortOptions } from "../../base/abort.ts";
import { type Deferred, deferred } from "../../base/deferred.ts";
import { BanyanError, TreeError } from "../../base/errors.ts";
import type {
  Engine,
  EngineEntry,
  EngineRules,
  Page,
  RuleTarget,
  RuleVerdict,
  RuleViolation,
  WriteOptions,
  WriteResult,
} from "../../engine/engine.ts";
import { EngineView } from "./engine-view.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Path } from "../../wire/path.ts";
import { SYSTEM, systemPaths } from "../system-paths.ts";
import { ConvertedEngine } from "./converted-engine.ts";
import { badRule } from "./definitions.ts";
import { RuleBook, type TypeOfPath } from "./rule-book.ts";
import type { RuleRefusal, RuleRunner } from "./rule-runner.ts";
import { verifyRemoval, verifyRule } from "./verify.ts";

/** Entries that are checked at a time, and for how long before a page of violations ends. */
const CHECKED_AT_ONCE = 64;
const PAGE_MS = 500;
/** A revision that no entry is at. */
const NEVER = Number.MAX_SAFE_INTEGER;

/**
 * An engine that lets nothing in that violates the rules of its tree. It has to be the only way to write
 * to the engine beneath it, and runs no user's code itself.
 *
 * Every value is checked against the rules that are in force when it is written: a write is either
 * before a rule in the order of revisions, or it fits that rule. Deletions are always allowed, and so is
 * what Banyan keeps for itself. Rules are verified when they are written, whoever writes them, and
 * changes of rules are done one after the other.
 */
export class RuledEngine extends EngineView {
  readonly #book: RuleBook;
  readonly #runner: RuleRunner;
  readonly #system: unknown;
  readonly #ruleDepth: number;
  readonly #rules: EngineRules;
  /** Resolved when the rule that is written at this moment is in force. */
  #changing: Deferred<void> | undefined;
  #lastRule: Promise<unknown> = Promise.resolve();

  private constructor(inner: Engine, runner: RuleRunner) {
    super(inner);
    const { root, rule } = systemPaths(SYSTEM);
    this.#book = new RuleBook(rule);
    this.#runner = runner;
    this.#system = root[0];
    this.#ruleDepth = rule.length;
    this.#rules = {
      test: (target, value, options) => this.#test(target, value, options ?? {}),
      violations: (prefix, after, options) => this.#violations(prefix, after, options ?? {}),
      withCodecs: (set) => this.withCodecs(set),
    };
  }

  /** Takes both over: they are closed with it. */
  static async open(inner: Engine, runner: RuleRunner): Promise<RuledEngine> {
    const engine = new RuledEngine(inner, runner);
    for await (const entry of inner.list(engine.#book.root)) engine.#book.apply(entry.path, entry);
    return engine;
  }

  override get rules(): EngineRules {
    return this.#rules;
  }

  override put(path: Path, value: Uint8Array, options?: WriteOptions): Promise<WriteResult> {
    if (path[0] === this.#system) {
      if (!this.#isRule(path)) return this.inner.put(path, value, options);
      return this.#change(path, options, {
        verify: () => this.#verify(path, value),
        write: () => this.inner.put(path, value, options),
      });
    }
    if (this.#book.hasNoMatches && this.#changing === undefined) {
      return this.inner.put(path, value, options);
    }
    return this.#putChecked(path, value, options ?? {});
  }

  override delete(path: Path, options?: WriteOptions): Promise<WriteResult> {
    if (path[0] !== this.#system || !this.#isRule(path)) return this.inner.delete(path, options);
    return this.#change(path, options, {
      verify: async () => {
        const place = this.#book.placeOf(path);
        if (place !== undefined) verifyRemoval(place, this.#book);
      },
      write: () => this.inner.delete(path, options),
    });
  }

  /** The same engine, with values as the conversions of that set have them. */
  withCodecs(set: string): Engine {
    return new ConvertedEngine(this, { set, book: this.#book, runner: this.#runner });
  }

  override async close(): Promise<void> {
    await this.#runner.close();
    await this.inner.close();
  }

  #isRule(path: Path): boolean {
    return path.length >= this.#ruleDepth && this.#book.root.contains(path);
  }

  /** There is no `await` between the check of what is in force and the write, which keeps its order. */
  async #putChecked(path: Path, value: Uint8Array, options: WriteOptions): Promise<WriteResult> {
    const { signal } = options;
    for (;;) {
      while (this.#changing !== undefined) await abortable(this.#changing.promise, signal);
      const type = this.#book.typeOf(path);
      if (type === undefined) return this.inner.put(path, value, options);
      const { generation } = this.#book;
      const outcome = await abortable(
        this.#runner.run({ kind: "check", units: type.units, value }),
        signal,
      );
      if (this.#changing !== undefined || this.#book.generation !== generation) continue;
      if (outcome.ok) return this.inner.put(path, value, options);
      const before = await this.#appliedBefore(path, value, options);
      if (before !== undefined) return before;
      throw violation(path, type, outcome);
    }
  }

  /**
   * What came of a write that is sent again because its answer was lost: it may be older than the rule.
   * The store knows the names of writes, and looks there before it finds that this one can't be made.
   */
  async #appliedBefore(
    path: Path,
    value: Uint8Array,
    options: WriteOptions,
  ): Promise<WriteResult | undefined> {
    if (options.operation === undefined) return undefined;
    try {
      return await this.inner.put(path, value, { ...options, ifRevision: NEVER });
    } catch (error) {
      const mayBe = ["ENGINE_CONFLICT", "ENGINE_CONDITION"] as const;
      if (mayBe.some((code) => BanyanError.has(error, code))) return undefined;
      throw error;
    }
  }

  /** Rules come into force one at a time; while one is written, no value is. */
  #change(
    path: Path,
    options: WriteOptions | undefined,
    { verify, write }: { verify: () => Promise<void>; write: () => Promise<WriteResult> },
  ): Promise<WriteResult> {
    const change = async (): Promise<WriteResult> => {
      options?.signal?.throwIfAborted();
      await verify();
      const changing = deferred<void>();
      this.#changing = changing;
      try {
        return await write();
      } finally {
        try {
          this.#book.apply(path, await this.inner.get(path));
        } finally {
          this.#changing = undefined;
          changing.resolve(undefined);
        }
      }
    };
    const result = this.#lastRule.then(change);
    this.#lastRule = result.catch(() => {});
    return result;
  }

  async #verify(path: Path, value: Uint8Array): Promise<void> {
    const place = this.#book.placeOf(path);
    if (place !== undefined) {
      return verifyRule(place, value, { book: this.#book, runner: this.#runner });
    }
    const name = formatPath(path.slice(this.#ruleDepth));
    const says = "no rule can be there: rules are below type, match, codec and convert.<set>";
    throw badRule("type", name, says);
  }

  async #test(
    target: RuleTarget,
    value: Uint8Array,
    { signal }: AbortOptions,
  ): Promise<RuleVerdict | undefined> {
    const tried = "path" in target ? this.#typeAt(target.path) : this.#typeNamed(target.type);
    if (tried === undefined) return "path" in target ? { fits: true } : undefined;
    const { type, pattern: match, units } = tried;
    const outcome = await abortable(this.#runner.run({ kind: "check", units, value }), signal);
    const tested = { type, ...(match && { match }) };
    if (outcome.ok) return { fits: true, ...tested };
    const { why, unit: by, reason, at } = outcome;
    if (why === "refused") return { fits: false, ...tested, by, reason, ...(at && { at }) };
    const message = `the value can't be checked against the type ${formatPath(type)}: ${reason}`;
    throw new TreeError("TREE_RULE_FAILED", message, { details: { type, by, reason, why } });
  }

  #typeAt(path: Path): TypeOfPath | undefined {
    return path[0] === this.#system ? undefined : this.#book.typeOf(path);
  }

  #typeNamed(type: Path): Tried | undefined {
    if (this.#book.type(formatPath(type)) === undefined) return undefined;
    return { type, pattern: undefined, units: this.#book.chain(type) };
  }

  async #violations(
    prefix: Path,
    after: Path | undefined,
    { signal }: AbortOptions,
  ): Promise<Page<RuleViolation, Path>> {
    const items: RuleViolation[] = [];
    const until = performance.now() + PAGE_MS;
    for await (const page of this.inner.list(prefix, { after, signal }).pages()) {
      for (let start = 0; start < page.length; start += CHECKED_AT_ONCE) {
        const some = page.slice(start, start + CHECKED_AT_ONCE);
        const found = await Promise.all(some.map((entry) => this.#violationOf(entry)));
        items.push(...found.filter((one) => one !== undefined));
        signal?.throwIfAborted();
        if (performance.now() > until) return { items, after: some.at(-1)?.path };
      }
    }
    return { items, after: undefined };
  }

  async #violationOf(entry: EngineEntry): Promise<RuleViolation | undefined> {
    const { path, value, revision, author, time } = entry;
    const type = this.#typeAt(path);
    if (type === undefined) return undefined;
    const outcome = await this.#runner.run({ kind: "check", units: type.units, value });
    if (outcome.ok) return undefined;
    const { unit: by, reason, at } = outcome;
    const { pattern: match } = type;
    return { path, revision, author, time, match, type: type.type, by, reason, at };
  }
}

type Tried = Omit<TypeOfPath, "pattern"> & { readonly pattern: Path | undefined };

function violation(path: Path, { pattern, type }: TypeOfPath, refusal: RuleRefusal): TreeError {
  const { why, unit, reason, at } = refusal;
  const where = at === undefined ? "" : `${at}: `;
  const of = unit === formatPath(type) ? "" : `${unit}, above `;
  const details = {
    path,
    type,
    match: pattern,
    by: unit,
    reason,
    ...(at === undefined ? {} : { at }),
  };
  const what = why === "refused" ? "does not fit" : "can't be checked against";
  return new TreeError(
    why === "refused" ? "TREE_RULE_VIOLATED" : "TREE_RULE_FAILED",
    `${formatPath(path)} ${what} the type ${of}${formatPath(type)}: ${where}${reason}`,
    { details: why === "refused" ? details : { ...details, why } },
  );
}
