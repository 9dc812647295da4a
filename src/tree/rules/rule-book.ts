import { BanyanError, TreeError } from "../../base/errors.ts";
import type { EngineEntry, Revision } from "../../engine/engine.ts";
import { PathPatterns } from "../../wire/path-patterns.ts";
import { formatPath } from "../../wire/path-text.ts";
import { Path } from "../../wire/path.ts";
import { decodeValue } from "../../wire/value.ts";
import { type Definitions, readDefinition, type RuleKind } from "./definitions.ts";
import type { CodecUnit, TypeUnit } from "./rule-runner.ts";

/** Where a rule is. */
export interface RulePlace {
  readonly kind: RuleKind;
  /** Of conversions: which set they belong to. */
  readonly set: string;
  /** Below its kind (and set): the type's or codec's own path, or the pattern. */
  readonly path: Path;
  readonly name: string;
}

/** One stored rule. */
export interface StoredRule<Kind extends RuleKind> extends RulePlace {
  readonly kind: Kind;
  readonly revision: Revision;
  /** Undefined where what is stored is no rule to this version. */
  readonly definition: Definitions[Kind] | undefined;
  readonly error: BanyanError | undefined;
}

type AnyRule = { [Kind in RuleKind]: StoredRule<Kind> }[RuleKind];

/** What the values of a path have to fit. */
export interface TypeOfPath {
  readonly pattern: Path;
  readonly type: Path;
  /** From the topmost type down. */
  readonly units: readonly TypeUnit[];
}

const KINDS: ReadonlySet<unknown> = new Set<RuleKind>(["type", "match", "codec", "convert"]);

/** All rules of a tree, in memory. */
export class RuleBook {
  /** Where they are stored. */
  readonly root: Path;
  /** Another with each rule that comes, changes or goes. */
  generation = 0;
  readonly #types = new Map<string, StoredRule<"type">>();
  readonly #codecs = new Map<string, StoredRule<"codec">>();
  readonly #matches = new Map<string, StoredRule<"match">>();
  readonly #conversions = new Map<string, Map<string, StoredRule<"convert">>>();
  /** Made from the above when they are asked for. */
  #matchPatterns: PathPatterns<StoredRule<"match">> | undefined;
  readonly #setPatterns = new Map<string, PathPatterns<StoredRule<"convert">>>();
  readonly #chains = new Map<string, readonly TypeUnit[]>();

  constructor(root: Path) {
    this.root = root;
  }

  /** Whether no value has to fit anything. */
  get hasNoMatches(): boolean {
    return this.#matches.size === 0;
  }

  /** Which rule a path is about; undefined where it is none's. */
  placeOf(path: Path): RulePlace | undefined {
    const [kind, ...rest] = path.slice(this.root.length);
    if (!KINDS.has(kind)) return undefined;
    const named = kind === "type" || kind === "codec";
    const set = kind === "convert" ? rest.shift() : "";
    if (typeof set !== "string" || (named && rest.length === 0)) return undefined;
    const at = Path.fromElements(rest);
    return { kind: kind as RuleKind, set, path: at, name: formatPath(at) };
  }

  /** What is stored at `path` now. */
  apply(path: Path, entry: EngineEntry | undefined): void {
    const place = this.placeOf(path);
    if (place === undefined) return;
    this.generation++;
    this.#chains.clear();
    if (place.kind === "match") this.#matchPatterns = undefined;
    if (place.kind === "convert") this.#setPatterns.delete(place.set);
    const rules = this.#rulesOf(place) as Map<string, AnyRule>;
    if (entry === undefined) rules.delete(place.name);
    else rules.set(place.name, read(place, entry) as AnyRule);
  }

  type(name: string): StoredRule<"type"> | undefined {
    return this.#types.get(name);
  }

  codec(name: string): StoredRule<"codec"> | undefined {
    return this.#codecs.get(name);
  }

  /** The types below one. */
  subtypes(path: Path): StoredRule<"type">[] {
    const all = [...this.#types.values()];
    return all.filter((type) => type.path.length > path.length && path.contains(type.path));
  }

  /** The names of the rules that point at a type or codec. */
  usersOf({ kind, path }: Pick<RulePlace, "kind" | "path">): string[] {
    if (kind === "type") {
      const users = [...this.#matches.values()].filter((rule) =>
        rule.definition?.type.equals(path),
      );
      return users.map(({ name }) => `the match ${name}`);
    }
    const all = [...this.#conversions.values()].flatMap((rules) => [...rules.values()]);
    const users = all.filter((rule) => rule.definition?.codec.equals(path));
    return users.map(({ set, name }) => `the conversion ${name} of ${set}`);
  }

  /**
   * What the values at `path` have to fit, by the most specific match; undefined where there is none.
   *
   * @throws TreeError `TREE_RULE_FAILED` where that match, or its type, is not usable
   */
  typeOf(path: Path): TypeOfPath | undefined {
    this.#matchPatterns ??= patternsOf(this.#matches, this.root);
    const found = this.#matchPatterns.find(path);
    if (found === undefined) return undefined;
    const { type } = definitionOf(found.value);
    const name = formatPath(type);
    let units = this.#chains.get(name);
    if (units === undefined) this.#chains.set(name, (units = this.chain(type)));
    return { pattern: found.pattern, type, units };
  }

  /**
   * What a type and those above it demand, from the topmost down.
   *
   * @param instead takes the place of the stored type of its name
   * @throws TreeError `TREE_RULE_FAILED` where there is no such type, or it is not usable
   */
  chain(type: Path, instead?: TypeUnit): readonly TypeUnit[] {
    const units: TypeUnit[] = [];
    let last: string | undefined;
    for (let length = 1; length <= type.length; length++) {
      const name = formatPath(type.slice(0, length));
      const stored = this.#types.get(name);
      if (name === instead?.name) units.push(instead);
      else if (stored !== undefined) units.push(typeUnit(stored));
      else continue;
      last = name;
    }
    if (last !== formatPath(type)) throw missing("type", formatPath(type));
    return units;
  }

  /** The types above one, from the topmost down. */
  above(type: Path): readonly TypeUnit[] {
    const lengths = Array.from({ length: Math.max(0, type.length - 1) }, (_, i) => i + 1);
    return lengths.flatMap((length) => {
      const stored = this.#types.get(formatPath(type.slice(0, length)));
      return stored === undefined ? [] : [typeUnit(stored)];
    });
  }

  /**
   * The codec for a path, by the most specific conversion of the set; undefined where there is none.
   *
   * @throws TreeError `TREE_RULE_FAILED` where that conversion, or its codec, is not usable
   */
  codecOf(set: string, path: Path): CodecUnit | undefined {
    let patterns = this.#setPatterns.get(set);
    if (patterns === undefined) {
      patterns = patternsOf(this.#conversions.get(set) ?? new Map(), this.root);
      this.#setPatterns.set(set, patterns);
    }
    const found = patterns.find(path);
    if (found === undefined) return undefined;
    const name = formatPath(definitionOf(found.value).codec);
    const codec = this.#codecs.get(name);
    if (codec === undefined) throw missing("codec", name);
    return codecUnit(codec);
  }

  #rulesOf({ kind, set }: RulePlace): Map<string, unknown> {
    if (kind === "type") return this.#types;
    if (kind === "codec") return this.#codecs;
    if (kind === "match") return this.#matches;
    let rules = this.#conversions.get(set);
    if (rules === undefined) this.#conversions.set(set, (rules = new Map()));
    return rules;
  }
}

/** What a type itself demands. */
export function typeUnit(type: StoredRule<"type">): TypeUnit {
  const { schema, code } = definitionOf(type);
  return { kind: "type", id: `type ${type.name}@${type.revision}`, name: type.name, schema, code };
}

export function codecUnit(codec: StoredRule<"codec">): CodecUnit {
  const { decode, encode } = definitionOf(codec);
  return {
    kind: "codec",
    id: `codec ${codec.name}@${codec.revision}`,
    name: codec.name,
    decode,
    encode,
  };
}

function definitionOf<Kind extends RuleKind>(rule: StoredRule<Kind>): Definitions[Kind] {
  if (rule.definition !== undefined) return rule.definition;
  const why = rule.error?.message ?? "it can't be read";
  throw new TreeError("TREE_RULE_FAILED", `the ${rule.kind} ${rule.name} is not usable: ${why}`, {
    cause: rule.error,
    details: { kind: rule.kind, name: rule.name },
  });
}

function missing(kind: "type" | "codec", name: string): TreeError {
  return new TreeError("TREE_RULE_FAILED", `there is no ${kind} ${name}`, {
    details: { kind, name },
  });
}

function read(place: RulePlace, entry: EngineEntry): StoredRule<RuleKind> {
  const { revision } = entry;
  try {
    const definition = readDefinition(place.kind, place.name, decodeValue(entry.value));
    return { ...place, revision, definition, error: undefined };
  } catch (error) {
    if (!BanyanError.is(error)) throw error;
    return { ...place, revision, definition: undefined, error };
  }
}

function patternsOf<Kind extends RuleKind>(
  rules: ReadonlyMap<string, StoredRule<Kind>>,
  root: Path,
): PathPatterns<StoredRule<Kind>> {
  const patterns = new PathPatterns<StoredRule<Kind>>(root[0]);
  for (const rule of rules.values()) patterns.set(rule.path, rule);
  return patterns;
}
