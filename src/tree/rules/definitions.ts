import { closest } from "../../base/closest.ts";
import { TreeError } from "../../base/errors.ts";
import { kindOf } from "../../base/kind-of.ts";
import { toPath } from "../../wire/path-text.ts";
import type { Path, PathLike } from "../../wire/path.ts";

/** What values may be. At least one of `schema` and `code`; a value has to satisfy both. */
export interface TypeDefinition {
  /** A JSON Schema: draft 2020-12, or 2019-09, 07 or 06 where its `$schema` says so. */
  readonly schema?: Readonly<Record<string, unknown>> | undefined;
  /**
   * The body of a function of `value`, in TypeScript or JavaScript. A value that it throws for is
   * refused, and the message is the reason; so is one for which it returns false, or a reason as text.
   */
  readonly code?: string | undefined;
  /** Examples that have to fit, at least two. */
  readonly good: readonly unknown[];
  /** Examples that must not, at least one; they have to fit the types above. */
  readonly bad: readonly unknown[];
  /** For people. */
  readonly doc?: unknown;
}

/** Which type the values at the paths of a pattern are of. */
export interface MatchDefinition {
  readonly type: PathLike;
  readonly doc?: unknown;
}

/** What stands between the values of a client and those that are stored. */
export interface CodecDefinition {
  /**
   * The body of a function of `value`, what a client writes, and `prev`, what is stored (undefined where
   * nothing is); gives what is to be stored. What it throws refuses the write.
   */
  readonly decode: string;
  /** The body of a function of `value`, which is stored; gives what a client reads. */
  readonly encode: string;
  /** Examples of writing, at least one: what a client writes, what is stored, and `prev` if there is one. */
  readonly in: readonly (readonly [written: unknown, stored: unknown, prev?: unknown])[];
  /** Examples of reading, at least one: what is stored, and what a client reads. */
  readonly out: readonly (readonly [stored: unknown, read: unknown])[];
  readonly doc?: unknown;
}

/** Which codec the values at the paths of a pattern go through. */
export interface ConversionDefinition {
  readonly codec: PathLike;
  readonly doc?: unknown;
}

/** What `.banyan.rule` has below it. */
export type RuleKind = "type" | "match" | "codec" | "convert";

/** Each kind with what it has to be. */
export interface Definitions {
  readonly type: TypeDefinition;
  readonly match: MatchDefinition & { readonly type: Path };
  readonly codec: CodecDefinition;
  readonly convert: ConversionDefinition & { readonly codec: Path };
}

const FIELDS: { readonly [Kind in RuleKind]: Readonly<Record<keyof Definitions[Kind], true>> } = {
  type: { schema: true, code: true, good: true, bad: true, doc: true },
  match: { type: true, doc: true },
  codec: { decode: true, encode: true, in: true, out: true, doc: true },
  convert: { codec: true, doc: true },
};

/**
 * Checks what is to be stored, or what is found in the tree.
 *
 * @param name of the rule, for the message
 * @throws TreeError `TREE_BAD_RULE`, which says the field
 */
export function readDefinition<Kind extends RuleKind>(
  kind: Kind,
  name: string,
  value: unknown,
): Definitions[Kind] {
  const fail = (what: string): never => {
    throw badRule(kind, name, what);
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return fail(`it is an object with ${listed(Object.keys(FIELDS[kind]))}, not ${kindOf(value)}`);
  }
  const known = Object.keys(FIELDS[kind]);
  const unknown = Object.keys(value).find((field) => !known.includes(field));
  if (unknown !== undefined) {
    const like = closest(unknown, known);
    const hint = like === undefined ? `there are ${known.join(", ")}` : `did you mean "${like}"?`;
    return fail(`there is no field ${JSON.stringify(unknown)} (${hint})`);
  }
  return READERS[kind](value, fail);
}

/** @throws TreeError, made of what is wrong with the rule */
export function badRule(
  kind: RuleKind,
  name: string,
  what: string,
  details: Readonly<Record<string, unknown>> = {},
): TreeError {
  return new TreeError("TREE_BAD_RULE", `the ${RULE_NAMES[kind]} ${name}: ${what}`, {
    details: { ...details, kind, name },
  });
}

/** For messages. */
const RULE_NAMES: Readonly<Record<RuleKind, string>> = {
  type: "type",
  match: "match",
  codec: "codec",
  convert: "conversion",
};

type Fail = (what: string) => never;
type Fields = Readonly<Record<string, unknown>>;

const READERS: { readonly [Kind in RuleKind]: (value: object, fail: Fail) => Definitions[Kind] } = {
  type: (value, fail) => readType(value as Fields, fail),
  match: (value, fail) => {
    const { type, ...rest } = value as Fields;
    return { ...rest, type: readPath("type", type, fail) };
  },
  codec: (value, fail) => readCodec(value as Fields, fail),
  convert: (value, fail) => {
    const { codec, ...rest } = value as Fields;
    return { ...rest, codec: readPath("codec", codec, fail) };
  },
};

function readType({ schema, code, good, bad, doc }: Fields, fail: Fail): TypeDefinition {
  if (schema === undefined && code === undefined) {
    return fail('it needs a "schema" or a "code" that says what fits');
  }
  if (schema !== undefined && !isFields(schema)) return fail('"schema" is no JSON Schema');
  if (code !== undefined && typeof code !== "string") return fail('"code" is not a string');
  return {
    ...(schema === undefined ? {} : { schema }),
    ...(code === undefined ? {} : { code }),
    good: readExamples("good", good, 2, fail),
    bad: readExamples("bad", bad, 1, fail),
    ...(doc === undefined ? {} : { doc }),
  };
}

function readCodec(fields: Fields, fail: Fail): CodecDefinition {
  const { decode, encode, doc } = fields;
  if (typeof decode !== "string") return fail('"decode" is the text of a function, as a string');
  if (typeof encode !== "string") return fail('"encode" is the text of a function, as a string');
  return {
    decode,
    encode,
    in: readPairs("in", fields["in"], 3, fail) as CodecDefinition["in"],
    out: readPairs("out", fields["out"], 2, fail) as CodecDefinition["out"],
    ...(doc === undefined ? {} : { doc }),
  };
}

function readExamples(name: string, value: unknown, least: number, fail: Fail): readonly unknown[] {
  if (value !== undefined && !Array.isArray(value)) return fail(`"${name}" is a list of examples`);
  const examples = (value ?? []) as readonly unknown[];
  if (examples.length >= least) return examples;
  const says = least === 1 ? "one example" : `${least} examples`;
  return fail(`"${name}" needs at least ${says}, it has ${examples.length}`);
}

function readPairs(name: string, value: unknown, most: number, fail: Fail): readonly unknown[] {
  const pairs = readExamples(name, value, 1, fail);
  for (const [index, pair] of pairs.entries()) {
    const right = Array.isArray(pair) && pair.length >= 2 && pair.length <= most;
    if (!right) fail(`example ${index + 1} of "${name}" is no pair of values`);
  }
  return pairs;
}

function readPath(field: string, value: unknown, fail: Fail): Path {
  if (typeof value !== "string" && !Array.isArray(value)) {
    return fail(`"${field}" is the path of a ${field}, not ${kindOf(value)}`);
  }
  let path: Path;
  try {
    path = toPath(value as PathLike);
  } catch (error) {
    return fail(`"${field}" is no path: ${(error as Error).message}`);
  }
  return path.length === 0 ? fail(`"${field}" is no path of a ${field}`) : path;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listed(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(", ");
}
