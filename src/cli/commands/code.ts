import { Option, type Command } from "commander";

import { CliError } from "../../base/errors.ts";
import type { CodeRoot } from "../../code/code-root.ts";
import type { Tree } from "../../tree/tree.ts";
import { formatPath } from "../../wire/path-text.ts";
import { pathArgument, readSource, type CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { clip, type Column } from "../output.ts";
import { fromJson } from "../plain.ts";
import type { Act } from "../program.ts";

/** `banyan code`: stored procedures. */
export function addCodeCommands(program: Command, act: Act): void {
  const code = program.command("code").description("stored procedures");

  code
    .command("add <path> <file>")
    .alias("set")
    .description("store a procedure from a file (- for stdin); refused if it does not compile")
    .addOption(
      new Option("-m, --mode <mode>", "how it is called")
        .choices(["inline", "worker", "async"])
        .default("inline"),
    )
    .option("-a, --var <name...>", "names of its variables, in the order of arguments")
    .option("--force", "also if a module it imports is not there yet")
    .action(act(add));

  code.command("get <path>").description("print its source").action(act(get));

  code
    .command("ls [path]")
    .alias("list")
    .description("the procedures below a path")
    .action(act(ls));

  code
    .command("call <path> [arguments...]")
    .description("call it here, in this process; arguments are JSON, or text if they are not")
    .option("-e, --eval <name=json...>", "a named variable")
    .action(act(call));

  code
    .command("rm <path>")
    .alias("del")
    .description("delete a procedure; refused while a job uses it, unless --force")
    .option("--force", "also if it is used")
    .action(act(rm));
}

async function add(
  context: CommandContext,
  path: string,
  file: string,
  options: { mode: "inline" | "worker" | "async"; var?: string[]; force?: boolean },
): Promise<void> {
  const at = pathArgument(path);
  const source = await readSource(context.io, file);
  const tree = await context.tree({ create: true });
  await using code = await openCode(tree);
  await code.add(
    at,
    { code: source, mode: options.mode, vars: options.var ?? [] },
    { force: options.force ?? false },
  );
  context.output.note(`procedure ${formatPath(at)} stored`);
}

async function get(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  await using code = await openCode(await context.tree());
  const entry = await code.get(at);
  if (entry === undefined) {
    throw new CliError("CLI_NOT_FOUND", `there is no procedure ${formatPath(at)}`);
  }
  context.output.value(context.output.format === "table" ? entry.code : entry);
}

async function ls(context: CommandContext, path = ":"): Promise<void> {
  const below = pathArgument(path);
  await using code = await openCode(await context.tree());
  const all = await code.list();
  context.output.rows(
    all.filter((item) => below.contains(item.path)),
    COLUMNS,
  );
}

async function call(
  context: CommandContext,
  path: string,
  words: string[],
  options: { eval?: string[] },
): Promise<ExitCode> {
  const at = pathArgument(path);
  const named = Object.fromEntries((options.eval ?? []).map(assignment));
  await using code = await openCode(await context.tree(), true);
  const entry = await code.get(at);
  if (entry === undefined) {
    throw new CliError("CLI_NOT_FOUND", `there is no procedure ${formatPath(at)}`);
  }
  try {
    const result: unknown =
      options.eval === undefined
        ? await code(at, ...words.map(jsonOrText))
        : await code.run(at, { ...positional(entry.vars ?? [], words), ...named });
    context.output.value(result);
    return EXIT.ok;
  } catch (error) {
    if (isRefusal(error)) throw error;
    context.output.complain(`${formatPath(at)} failed: ${describe(error)}`);
    return EXIT.codeFailed;
  }
}

/** An error of the linker or the binder is ours to explain; anything else is the code's own. */
function isRefusal(error: unknown): boolean {
  return (
    typeof error === "object" &&
    error !== null &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.startsWith("CODE_")
  );
}

function describe(error: unknown): string {
  return error instanceof Error
    ? (error.stack ?? `${error.name}: ${error.message}`)
    : String(error);
}

function positional(vars: readonly string[], words: readonly string[]): Record<string, unknown> {
  if (words.length > vars.length) {
    throw new CliError(
      "CLI_USAGE",
      `${words.length} arguments for ${vars.length} variables; with --eval there is no room for more`,
    );
  }
  return Object.fromEntries(words.map((word, i) => [vars[i] ?? "", jsonOrText(word)]));
}

async function rm(
  context: CommandContext,
  path: string,
  options: { force?: boolean },
): Promise<ExitCode> {
  const at = pathArgument(path);
  await using code = await openCode(await context.tree());
  const there = await code.remove(at, { force: options.force ?? false });
  context.output.note(
    there ? `procedure ${formatPath(at)} deleted` : `there is no procedure ${formatPath(at)}`,
  );
  return there ? EXIT.ok : EXIT.notFound;
}

/** `name=json`, as `--eval` takes it. @throws CliError `CLI_USAGE` */
export function assignment(text: string): [string, unknown] {
  const equals = text.indexOf("=");
  if (equals < 1) {
    throw new CliError("CLI_USAGE", `${text} is no name=value`);
  }
  return [text.slice(0, equals), jsonOrText(text.slice(equals + 1))];
}

/** JSON where it is some, the text itself where not. */
export function jsonOrText(word: string): unknown {
  try {
    return fromJson(JSON.parse(word));
  } catch {
    return word;
  }
}

/** The compiler is loaded only by commands that need it, and stored code runs for `call` alone. */
async function openCode(tree: Tree, evaluate: boolean = false): Promise<CodeRoot> {
  const code = await import("../../code/code-root.ts");
  return code.CodeRoot.open(tree, { evaluate });
}

interface Row {
  readonly path: Parameters<typeof formatPath>[0];
  readonly mode: string;
  readonly vars: readonly string[];
  readonly code: string;
  readonly error?: string | undefined;
}

const COLUMNS: readonly Column<Row>[] = [
  { head: "procedure", cell: ({ path }) => formatPath(path) },
  { head: "mode", cell: ({ mode }) => mode },
  { head: "vars", cell: ({ vars }) => vars.join(", ") },
  { head: "source", cell: ({ code }) => clip(code, 40) },
  { head: "error", cell: ({ error }) => clip(error ?? "", 50) },
];
