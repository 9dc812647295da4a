import type { Command } from "commander";

import { CliError } from "../../base/errors.ts";
import type { RuleVerdict, RuleViolation } from "../../engine/engine.ts";
import { toYaml } from "../../node/yaml.ts";
import type {
  CodecDefinition,
  ConversionDefinition,
  MatchDefinition,
  TypeDefinition,
} from "../../tree/rules/definitions.ts";
import type { RuleEntry, Rules, RuleTable } from "../../tree/rules/rules.ts";
import { formatPath, toPath } from "../../wire/path-text.ts";
import type { Act } from "../act.ts";
import { pathArgument, readSource, yamlValue, type CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { ago, clip, type Column } from "../output.ts";
import { takesValue, type ValueFlags, givenValue } from "../value-argument.ts";
import { jsonOrText } from "../words.ts";

/** `banyan rule`: types, matches, codecs and conversions of data. */
export function addRuleCommands(program: Command, act: Act): void {
  const rule = program.command("rule").description("rules on data: what values may be");
  addTypes(rule, act);
  addMatches(rule, act);
  addCodecs(rule, act);
  addConversions(rule, act);
  takesValue(rule.command("test <path> [value]"))
    .description("whether a value would be taken at a path; nothing is written; exit 7 if not")
    .action(act((context, path: string, given, flags) => test(context, { path }, given, flags)));
  rule
    .command("check [path]")
    .description("the entries that do not fit the type of their path; exit 7 if there are any")
    .action(act(check));
}

function addTypes(rule: Command, act: Act): void {
  const type = rule.command("type").description("what values may be");
  type
    .command("set <path> [file]")
    .alias("add")
    .description(
      "make a type, from a file (YAML or JSON, - for stdin) and these; refused if its examples disagree",
    )
    .option(
      "-s, --script <file>",
      "the code of the check, of `value`: throws for what does not fit",
    )
    .option("--schema <file>", "the JSON Schema")
    .option("-g, --good <json>", "an example that fits (JSON, or text); again for more", collect)
    .option("-b, --bad <json>", "an example that must not fit; again for more", collect)
    .action(act(setType));
  takesValue(type.command("test <type> [value]"))
    .description("whether a value is of a type; exit 7 if not")
    .action(
      act((context, name: string, given, flags) => test(context, { type: name }, given, flags)),
    );
  addVerbs(type, TYPES, act);
}

function addMatches(rule: Command, act: Act): void {
  const match = rule.command("match").description("which type the values of a path are of");
  match
    .command("set <pattern> <type>")
    .alias("add")
    .description("values at paths like this are of that type; + is any one element, # one or more")
    .action(
      act(async (context, pattern: string, type: string) => {
        const { matches } = (await context.tree({ create: true })).rules;
        await matches.set(pathArgument(pattern), { type: pathArgument(type) });
        context.output.note(`values at ${pattern} are of the type ${type}`);
      }),
    );
  addVerbs(match, MATCHES, act);
}

function addCodecs(rule: Command, act: Act): void {
  const codec = rule.command("codec").description("what stands between clients and stored values");
  codec
    .command("set <path> [file]")
    .alias("add")
    .description(
      "make a codec, from a file (YAML or JSON, - for stdin) and these; refused if its examples disagree",
    )
    .option("--decode <file>", "the code, of `value` and `prev`, that gives what is stored")
    .option("--encode <file>", "the code, of `value`, that gives what a client reads")
    .option("--in <json>", 'an example of writing, as ["1", 1]; again for more', collect)
    .option("--out <json>", 'an example of reading, as [1, "1"]; again for more', collect)
    .action(act(setCodec));
  addVerbs(codec, CODECS, act);
}

function addConversions(rule: Command, act: Act): void {
  const convert = rule
    .command("convert")
    .description(
      "which codec the values of a path go through, for clients that ask for the set (--codecs)",
    );
  convert
    .command("set <set> <pattern> <codec>")
    .alias("add")
    .description("clients of the set read and write values at paths like this through that codec")
    .action(
      act(async (context, set: string, pattern: string, codec: string) => {
        const { rules } = await context.tree({ create: true });
        await rules.conversions(set).set(pathArgument(pattern), { codec: pathArgument(codec) });
        context.output.note(`${set} has values at ${pattern} through the codec ${codec}`);
      }),
    );
  convert
    .command("get <set> <pattern>")
    .description("print one")
    .action(
      act((context, set: string, pattern: string) => get(context, conversions(set), pattern)),
    );
  convert
    .command("ls [set]")
    .alias("list")
    .description("the conversions of a set; alone: the names of all sets")
    .action(act(listConversions));
  convert
    .command("rm <set> <pattern>")
    .aliases(["del", "delete"])
    .description("delete one")
    .action(act((context, set: string, pattern: string) => rm(context, conversions(set), pattern)));
}

/** One kind of rules, as the command has them. */
interface RuleNoun<Definition> {
  readonly name: string;
  readonly table: (rules: Rules) => RuleTable<never, never>;
  readonly columns: readonly Column<RuleEntry<Definition>>[];
}

/** `get`, `ls` and `rm`. */
function addVerbs<Definition>(command: Command, noun: RuleNoun<Definition>, act: Act): void {
  command
    .command("get <path>")
    .description("print one; of types and codecs, what `set` takes from a file")
    .action(act((context, path: string) => get(context, noun, path)));
  command
    .command("ls [path]")
    .alias("list")
    .description("all at and below a path")
    .action(act((context, path: string | undefined) => ls(context, noun, path)));
  command
    .command("rm <path>")
    .aliases(["del", "delete"])
    .description("delete one; refused while other rules need it")
    .action(act((context, path: string) => rm(context, noun, path)));
}

async function setType(
  context: CommandContext,
  path: string,
  file: string | undefined,
  options: { script?: string; schema?: string; good?: string[]; bad?: string[] },
): Promise<void> {
  const at = pathArgument(path);
  const given = await definitionIn(context, file);
  if (options.script !== undefined) given["code"] = await readSource(context.io, options.script);
  if (options.schema !== undefined) {
    given["schema"] = yamlValue(await readSource(context.io, options.schema), options.schema);
  }
  addExamples(given, { good: options.good, bad: options.bad });
  const { types } = (await context.tree({ create: true })).rules;
  await types.set(at, given as never, { signal: context.signal });
  context.output.note(`type ${formatPath(at)} stored`);
}

async function setCodec(
  context: CommandContext,
  path: string,
  file: string | undefined,
  options: { decode?: string; encode?: string; in?: string[]; out?: string[] },
): Promise<void> {
  const at = pathArgument(path);
  const given = await definitionIn(context, file);
  for (const name of ["decode", "encode"] as const) {
    const source = options[name];
    if (source !== undefined) given[name] = await readSource(context.io, source);
  }
  addExamples(given, { in: options.in, out: options.out });
  const { codecs } = (await context.tree({ create: true })).rules;
  await codecs.set(at, given as never, { signal: context.signal });
  context.output.note(`codec ${formatPath(at)} stored`);
}

async function get<Definition>(
  context: CommandContext,
  noun: RuleNoun<Definition>,
  path: string,
): Promise<void> {
  const at = pathArgument(path);
  const tree = await context.tree();
  const definition: unknown = await noun.table(tree.rules).get(at, { signal: context.signal });
  if (definition === undefined) throw notThere(noun.name, formatPath(at));
  if (context.output.format !== "table") return context.output.value(definition);
  context.output.value(toYaml(definition).trimEnd());
}

async function ls<Definition>(
  context: CommandContext,
  noun: RuleNoun<Definition>,
  path = ":",
): Promise<void> {
  const { rules } = await context.tree();
  const all = noun.table(rules).list(pathArgument(path), { signal: context.signal });
  context.output.rows(await all.toArray(), noun.columns);
}

async function rm<Definition>(
  context: CommandContext,
  noun: RuleNoun<Definition>,
  path: string,
): Promise<void> {
  const at = pathArgument(path);
  const { rules } = await context.tree();
  const { changed } = await noun.table(rules).delete(at, { signal: context.signal });
  const name = `${noun.name} ${formatPath(at)}`;
  context.done(changed, `${name} deleted`, `there is no ${name}`);
}

async function listConversions(context: CommandContext, set: string | undefined): Promise<void> {
  if (set !== undefined) return ls(context, conversions(set));
  const { rules } = await context.tree();
  const sets = await rules.sets();
  context.output.rows(
    sets.map((name) => ({ set: name })),
    [{ head: "set", cell: (row) => row.set }],
  );
}

async function test(
  context: CommandContext,
  of: { readonly path: string } | { readonly type: string },
  given: string | undefined,
  flags: ValueFlags,
): Promise<ExitCode> {
  const target = "path" in of ? { path: pathArgument(of.path) } : { type: pathArgument(of.type) };
  const value = await givenValue(context.io, given, flags);
  const { rules } = await context.tree();
  const verdict = await rules.test(value, target, { signal: context.signal });
  if (verdict === undefined) throw notThere("type", "type" in of ? of.type : "");
  context.output.value(context.output.format === "table" ? saysOf(verdict) : verdict);
  return verdict.fits ? EXIT.ok : EXIT.invalid;
}

function saysOf({ fits, type, match, by, reason, at }: RuleVerdict): string {
  if (type === undefined) return "fits: nothing is said of this path";
  const name = formatPath(type);
  const whence = match === undefined ? "" : ` (match ${formatPath(match)})`;
  if (fits) return `fits the type ${name}${whence}`;
  const above = by === name ? "" : `${by}, above `;
  const where = at === undefined ? "" : `${at}: `;
  return `does not fit the type ${above}${name}${whence}: ${where}${reason}`;
}

async function check(context: CommandContext, path = ":"): Promise<ExitCode> {
  const { rules } = await context.tree();
  const found = await rules.check(pathArgument(path), { signal: context.signal }).toArray();
  if (found.length === 0 && context.output.isTerminal) context.output.note("everything fits");
  else context.output.rows(found, VIOLATION_COLUMNS);
  return found.length === 0 ? EXIT.ok : EXIT.invalid;
}

/** What a file says, to which options are added. */
async function definitionIn(
  { io }: CommandContext,
  file: string | undefined,
): Promise<Record<string, unknown>> {
  if (file === undefined) return {};
  const value = yamlValue(await readSource(io, file), file);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new CliError("CLI_USAGE", `${file} holds no definition: it is to be an object`);
}

function addExamples(
  given: Record<string, unknown>,
  more: Readonly<Record<string, readonly string[] | undefined>>,
): void {
  for (const [name, words] of Object.entries(more)) {
    if (words === undefined) continue;
    const before = given[name];
    given[name] = [
      ...(Array.isArray(before) ? (before as unknown[]) : []),
      ...words.map(jsonOrText),
    ];
  }
}

function collect(word: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), word];
}

function notThere(noun: string, name: string): CliError {
  return new CliError("CLI_NOT_FOUND", `there is no ${noun} ${name}`);
}

function columns<Definition>(
  head: string,
  more: readonly Column<Definition>[],
): readonly Column<RuleEntry<Definition>>[] {
  return [
    { head, cell: ({ path }) => formatPath(path) },
    ...more.map(({ head: name, cell }) => ({
      head: name,
      cell: ({ definition }: RuleEntry<Definition>) =>
        definition === undefined ? "" : cell(definition),
    })),
    { head: "by", cell: ({ author }) => author },
    { head: "age", cell: ({ time }) => ago(time / 1000, Date.now()) },
    { head: "error", cell: ({ error }) => clip(error?.message ?? "", 50) },
  ];
}

const TYPES: RuleNoun<TypeDefinition> = {
  name: "type",
  table: ({ types }) => types as RuleTable<never, never>,
  columns: columns("type", [
    {
      head: "checks",
      cell: ({ schema, code }) => [schema && "schema", code && "code"].filter(Boolean).join(", "),
    },
    { head: "examples", cell: ({ good, bad }) => `${good.length} good, ${bad.length} bad` },
  ]),
};

const MATCHES: RuleNoun<MatchDefinition> = {
  name: "match",
  table: ({ matches }) => matches as RuleTable<never, never>,
  columns: columns("pattern", [{ head: "type", cell: ({ type }) => formatPath(toPath(type)) }]),
};

const CODECS: RuleNoun<CodecDefinition> = {
  name: "codec",
  table: ({ codecs }) => codecs as RuleTable<never, never>,
  columns: columns("codec", [
    { head: "examples", cell: ({ in: written, out }) => `${written.length} in, ${out.length} out` },
  ]),
};

function conversions(set: string): RuleNoun<ConversionDefinition> {
  return {
    name: `conversion of ${set}`,
    table: (rules) => rules.conversions(set) as RuleTable<never, never>,
    columns: columns("pattern", [
      { head: "codec", cell: ({ codec }) => formatPath(toPath(codec)) },
    ]),
  };
}

const VIOLATION_COLUMNS: readonly Column<RuleViolation>[] = [
  { head: "path", cell: ({ path }) => formatPath(path) },
  { head: "type", cell: ({ type }) => formatPath(type) },
  { head: "why", cell: ({ reason, at }) => clip(at === undefined ? reason : `${at}: ${reason}`) },
  { head: "by", cell: ({ author }) => author },
  { head: "age", cell: ({ time }) => ago(time / 1000, Date.now()) },
];
