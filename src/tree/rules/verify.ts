import { BanyanError, TreeError } from "../../base/errors.ts";
import { formatPath } from "../../wire/path-text.ts";
import { decodeValue, encodeValue } from "../../wire/value.ts";
import { differences } from "../diff.ts";
import { badRule, type Definitions, readDefinition } from "./definitions.ts";
import {
  codecUnit,
  type RuleBook,
  type RulePlace,
  type StoredRule,
  typeUnit,
} from "./rule-book.ts";
import type { CodecUnit, RuleRefusal, RuleRunner, RuleTask, TypeUnit } from "./rule-runner.ts";

/** What a rule is verified with. */
export interface Verifying {
  readonly book: RuleBook;
  readonly runner: RuleRunner;
}

let versions = 0;

/**
 * Refuses a rule that is not what it should be, whose examples disagree with it, or that points at what
 * does not exist.
 *
 * @throws TreeError `TREE_BAD_RULE`, which names the example
 */
export async function verifyRule(
  place: RulePlace,
  value: Uint8Array,
  { book, runner }: Verifying,
): Promise<void> {
  const { kind, name, path } = place;
  let stored: unknown;
  try {
    stored = decodeValue(value);
  } catch (error) {
    throw badRule(kind, name, `it is no value: ${(error as Error).message}`);
  }
  if (kind === "match" || kind === "convert") {
    if (path[0] === book.root[0]) {
      throw badRule(kind, name, `Banyan's own data, below ${String(book.root[0])}, has no rules`);
    }
    return verifyTarget(kind, name, stored, book);
  }
  // Revisions are whole numbers, so this is no stored version's name.
  const rule = { ...place, revision: ++versions / 2 ** 20, error: undefined };
  if (kind === "codec") {
    const definition = readDefinition("codec", name, stored);
    return verifyCodec(codecUnit({ ...rule, kind, definition }), definition, runner);
  }
  const definition = readDefinition("type", name, stored);
  await verifyType({ ...rule, kind, definition }, { book, runner });
}

/**
 * Refuses to take away what other rules need.
 *
 * @throws TreeError `TREE_RULE_IN_USE` (details: `users`)
 */
export function verifyRemoval({ kind, name, path }: RulePlace, book: RuleBook): void {
  if (kind !== "type" && kind !== "codec") return;
  const users = book.usersOf({ kind, path });
  if (kind === "type") users.push(...book.subtypes(path).map((type) => `the type ${type.name}`));
  if (users.length === 0 || book[kind](name) === undefined) return;
  throw new TreeError("TREE_RULE_IN_USE", `the ${kind} ${name} is used by ${users.join(", ")}`, {
    details: { kind, name, users },
  });
}

function verifyTarget(
  kind: "match" | "convert",
  name: string,
  stored: unknown,
  book: RuleBook,
): void {
  if (kind === "match") {
    const { type } = readDefinition("match", name, stored);
    const target = formatPath(type);
    if (book.type(target) === undefined) throw badRule(kind, name, `there is no type ${target}`);
    return;
  }
  const { codec } = readDefinition("convert", name, stored);
  const target = formatPath(codec);
  if (book.codec(target) === undefined) throw badRule(kind, name, `there is no codec ${target}`);
}

/** The type's own examples, then those of the types below it, which have to fit it as well. */
async function verifyType(type: StoredRule<"type">, { book, runner }: Verifying): Promise<void> {
  const unit = typeUnit(type);
  await verifyExamples(type, { above: book.above(type.path), own: unit, runner });
  for (const below of book.subtypes(type.path)) {
    // One that is no rule is broken with and without this one.
    if (below.definition === undefined) continue;
    const above = book.chain(below.path, unit).slice(0, -1);
    try {
      await verifyExamples(below, { above, own: typeUnit(below), runner });
    } catch (error) {
      if (!BanyanError.has(error, "TREE_BAD_RULE")) throw error;
      throw badRule("type", type.name, `it does not go with a type below it: ${error.message}`, {
        ...error.details,
        below: below.name,
      });
    }
  }
}

async function verifyExamples(
  { name, definition }: StoredRule<"type">,
  given: { above: readonly TypeUnit[]; own: TypeUnit; runner: RuleRunner },
): Promise<void> {
  const { above, own, runner } = given;
  const { good, bad } = definition as Definitions["type"];
  for (const [index, value] of good.entries()) {
    const refusal = await refusalOf(
      { kind: "check", units: [...above, own], value: encodeValue(value) },
      runner,
    );
    if (refusal === undefined) continue;
    throw badExample(
      { kind: "type", name, list: "good", index, value },
      by(refusal, name),
      refusal,
    );
  }
  for (const [index, value] of bad.entries()) {
    const example: Example = { kind: "type", name, list: "bad", index, value };
    const bytes = encodeValue(value);
    const byOthers = await refusalOf({ kind: "check", units: above, value: bytes }, runner);
    if (byOthers !== undefined) {
      const why = `${by(byOthers, name)}; a bad example has to fit what is above it`;
      throw badExample(example, why, byOthers);
    }
    const refusal = await refusalOf({ kind: "check", units: [own], value: bytes }, runner);
    if (refusal?.why === "refused") continue;
    const why = refusal === undefined ? "fits, though it is a bad one" : by(refusal, name);
    throw badExample(example, why, refusal);
  }
}

async function verifyCodec(
  unit: CodecUnit,
  definition: Definitions["codec"],
  runner: RuleRunner,
): Promise<void> {
  const { name } = unit;
  const convert = async (
    kind: "decode" | "encode",
    value: unknown,
    example: Example,
    prev?: unknown,
  ): Promise<unknown> => {
    const previous = prev === undefined ? undefined : encodeValue(prev);
    const task: RuleTask = { kind, units: [unit], value: encodeValue(value), previous };
    const outcome = await runner.run(task);
    if (outcome.ok) return decodeValue(outcome.value as Uint8Array);
    throw badExample(example, `${kind} failed: ${outcome.reason}`, outcome);
  };
  for (const [index, [written, stored, prev]] of definition.in.entries()) {
    const example: Example = { kind: "codec", name, list: "in", index, value: written };
    demand(example, "decode", await convert("decode", written, example, prev), stored);
    const read = await convert("encode", stored, example);
    const again = await convert("decode", read, example);
    demand(example, `decode of ${show(read)}, which encode makes of it,`, again, stored);
  }
  for (const [index, [stored, read]] of definition.out.entries()) {
    const example: Example = { kind: "codec", name, list: "out", index, value: stored };
    demand(example, "encode", await convert("encode", stored, example), read);
    demand(example, `decode of ${show(read)}`, await convert("decode", read, example), stored);
  }
}

/** @throws TreeError `TREE_BAD_RULE` where the two differ */
function demand(example: Example, what: string, is: unknown, wanted: unknown): void {
  if (differences(is, wanted).length === 0) return;
  throw badExample(example, `${what} gives ${show(is)}, not ${show(wanted)}`);
}

interface Example {
  /** Of which rule. */
  readonly kind: "type" | "codec";
  readonly name: string;
  readonly list: string;
  readonly index: number;
  readonly value: unknown;
}

async function refusalOf(task: RuleTask, runner: RuleRunner): Promise<RuleRefusal | undefined> {
  const outcome = await runner.run(task);
  return outcome.ok ? undefined : outcome;
}

/** What a refusal says, and of which type where it is another one. */
function by({ why, unit, reason, at }: RuleRefusal, name: string): string {
  const where = at === undefined ? "" : `${at}: `;
  const whose = unit === name ? "" : ` by the type ${unit}`;
  return why === "refused"
    ? `is refused${whose}: ${where}${reason}`
    : `can't be checked${whose}: ${reason}`;
}

function badExample(
  { kind, name, list, index, value }: Example,
  why: string,
  refusal?: RuleRefusal,
): TreeError {
  const says = `example ${index + 1} of "${list}", ${show(value)}, ${why}`;
  return badRule(kind, name, says, {
    example: { list, number: index + 1, value },
    ...(refusal === undefined ? {} : { reason: refusal.reason }),
    ...(refusal?.frame === undefined ? {} : { frame: refusal.frame }),
  });
}

const MAX_SHOWN = 60;

/** A value as a message shows it. */
function show(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) =>
    typeof part === "bigint" ? `${part}n` : part,
  ) as string | undefined;
  const shown = text ?? String(value);
  return shown.length <= MAX_SHOWN ? shown : `${shown.slice(0, MAX_SHOWN - 1)}…`;
}
