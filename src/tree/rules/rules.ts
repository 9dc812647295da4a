import { type AbortOptions } from "../../base/abort.ts";
import type { BanyanError } from "../../base/errors.ts";
import { EngineError } from "../../base/errors.ts";
import { Listing } from "../../base/listing.ts";
import { ABORT_OPTIONS, checkOptions } from "../../base/options.ts";
import type { Revision, RuleVerdict, RuleViolation } from "../../engine/engine.ts";
import { formatPath, toPath } from "../../wire/path-text.ts";
import { Path, type PathLike } from "../../wire/path.ts";
import { encodeTreeValue } from "../entry.ts";
import { SYSTEM } from "../system-paths.ts";
import type { Tree } from "../tree.ts";
import type { DeleteResult, SetOptions, SetResult } from "../write.ts";
import {
  type CodecDefinition,
  type ConversionDefinition,
  type Definitions,
  type MatchDefinition,
  readDefinition,
  type RuleKind,
  type TypeDefinition,
} from "./definitions.ts";

/** One rule, as it is listed. */
export interface RuleEntry<Definition> {
  /** Of a type or codec its path; of a match or conversion its pattern. */
  readonly path: Path;
  /** Undefined where there is an `error`. */
  readonly definition: Definition | undefined;
  readonly revision: Revision;
  readonly author: string;
  /** When it was written: milliseconds since 1970. */
  readonly time: number;
  /** Why what is stored is no rule to this version. */
  readonly error?: BanyanError;
}

/** All rules of one kind. They are entries of the tree, and keep a history as those do. */
export class RuleTable<Input, Definition extends Input = Input & {}> {
  readonly #tree: Tree;
  readonly #kind: RuleKind;
  readonly #root: Path;

  constructor(tree: Tree, kind: RuleKind, root: Path) {
    this.#tree = tree;
    this.#kind = kind;
    this.#root = root;
  }

  /**
   * Makes a rule, or another of one that there is. It is in force when this resolves: no write with a
   * higher revision violates it.
   *
   * @throws TreeError `TREE_BAD_RULE`, which says what is wrong or which example disagrees, and how
   */
  async set(path: PathLike, definition: Input, options: SetOptions = {}): Promise<SetResult> {
    const at = this.#at(path);
    const checked = readDefinition(this.#kind, formatPath(toPath(path)), definition);
    return this.#tree.set(at, checked, options);
  }

  /** @throws TreeError `TREE_BAD_RULE` where what is stored is no rule to this version */
  async get(path: PathLike, options: AbortOptions = {}): Promise<Definition | undefined> {
    const stored = await this.#tree.get(this.#at(path), options);
    if (stored === undefined) return undefined;
    return readDefinition(this.#kind, formatPath(toPath(path)), stored) as unknown as Definition;
  }

  /** All at and below a path, in the order of paths. */
  list(path: PathLike = Path.root, options: AbortOptions = {}): Listing<RuleEntry<Definition>> {
    const { length } = this.#root;
    return this.#tree.walk(this.#at(path), options).map((entry) => {
      const { revision, author, time } = entry;
      const below = Path.fromElements(entry.path.slice(length));
      const common = { path: below, revision, author, time };
      try {
        if (entry.error !== undefined) throw entry.error;
        const definition = readDefinition(this.#kind, formatPath(below), entry.value);
        return { ...common, definition: definition as unknown as Definition };
      } catch (error) {
        return { ...common, definition: undefined, error: error as BanyanError };
      }
    });
  }

  /**
   * Takes a rule away; what was converted or checked by it stays as it is.
   *
   * @throws TreeError `TREE_RULE_IN_USE` while others need it (details: `users`)
   */
  async delete(path: PathLike, options: AbortOptions = {}): Promise<DeleteResult> {
    return this.#tree.delete(this.#at(path), options);
  }

  #at(path: PathLike): Path {
    checkRuled(this.#tree);
    return this.#root.concat(toPath(path));
  }
}

/**
 * The rules on the data of a tree: types that values have to fit, matches that say where, codecs that
 * convert them for the clients that ask for it, and conversions that say where.
 */
export class Rules {
  readonly #tree: Tree;
  /** By the type's path. A type whose path is below another's has to fit that as well. */
  readonly types: RuleTable<TypeDefinition>;
  /** By pattern: `+` is any one element, `#` one or more; the most specific one counts. */
  readonly matches: RuleTable<MatchDefinition, Definitions["match"]>;
  /** By the codec's path. */
  readonly codecs: RuleTable<CodecDefinition>;

  constructor(tree: Tree) {
    this.#tree = tree;
    const root = tree.system.rule;
    this.types = new RuleTable(tree, "type", root.append("type"));
    this.matches = new RuleTable<MatchDefinition, Definitions["match"]>(
      tree,
      "match",
      root.append("match"),
    );
    this.codecs = new RuleTable(tree, "codec", root.append("codec"));
  }

  /** The conversions of one set, by pattern: for the clients that open the tree with `codecs: set`. */
  conversions(set: string): RuleTable<ConversionDefinition, Definitions["convert"]> {
    if (typeof set !== "string") throw new TypeError("a set of conversions is named by a string");
    const root = this.#tree.system.rule.concat(["convert", set]);
    return new RuleTable<ConversionDefinition, Definitions["convert"]>(this.#tree, "convert", root);
  }

  /** The names of all sets of conversions. */
  async sets(): Promise<string[]> {
    const children = await this.#tree.list(this.#tree.system.rule.append("convert")).toArray();
    return children.map(({ name }) => String(name));
  }

  /**
   * Whether a value would be taken at a path, or is of a type, as it is stored; nothing is written. Undefined
   * where there is no such type.
   *
   * @throws TreeError `TREE_RULE_FAILED` where the write would
   */
  async test(
    value: unknown,
    of: { readonly path: PathLike } | { readonly type: PathLike },
    options: AbortOptions = {},
  ): Promise<RuleVerdict | undefined> {
    checkOptions(options, ABORT_OPTIONS, "rules.test");
    const target = "path" in of ? { path: toPath(of.path) } : { type: toPath(of.type) };
    return checkRuled(this.#tree).test(target, encodeTreeValue(value), options);
  }

  /**
   * The entries at and below a path that do not fit the type of their path, because they were there
   * before the rule was; in the order of paths. Nothing is changed.
   */
  check(path: PathLike = Path.root, options: AbortOptions = {}): Listing<RuleViolation> {
    checkOptions(options, ABORT_OPTIONS, "rules.check");
    const prefix = toPath(path);
    const tree = this.#tree;
    return new Listing(async function* () {
      let after: Path | undefined;
      do {
        const page = await checkRuled(tree).violations(prefix, after, options);
        yield page.items;
        after = page.after;
      } while (after !== undefined);
    });
  }
}

/** @throws EngineError `ENGINE_UNSUPPORTED` where rules would be stored, and not applied */
function checkRuled({ engine, system }: Tree) {
  if (engine.rules !== undefined && system.root[0] === SYSTEM) return engine.rules;
  throw new EngineError(
    "ENGINE_UNSUPPORTED",
    `rules on data are not applied by this engine (${engine.label}); trees that open() gives have them`,
  );
}
