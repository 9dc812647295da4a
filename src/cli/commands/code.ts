import { Option, type Command } from "commander";

import { CliError } from "../../base/errors.ts";
import { cleanStack } from "../../code/source-url.ts";
import type { CodeInfo, CodeRoot } from "../../code/code-root.ts";
import type { CodeEntry } from "../../code/entry.ts";
import { JobRoot } from "../../node/on-use.ts";
import type { Tree } from "../../tree/tree.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Path } from "../../wire/path.ts";
import { pathArgument, readSource, type CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { clip, type Column } from "../output.ts";
import { assignment, jsonOrText } from "../words.ts";
import { addSourceVerbs, notStored, type SourceNoun } from "./stored.ts";
import type { Act } from "../act.ts";

/** `banyan code`: stored procedures. */
export function addCodeCommands(program: Command, act: Act): void {
  const code = program.command("code").description("stored procedures");

  code
    .command("add <path> <file>")
    .alias("set")
    .description("store a procedure from a file (- for stdin); refused if it does not compile")
    .addOption(
      new Option(
        "-m, --mode <mode>",
        "how it runs: at once, asynchronously, or in a thread where it may block (is_async null, true, false)",
      )
        .choices(["inline", "worker", "async"])
        .default("inline"),
    )
    .option("-a, --var <name...>", "names of its variables, in the order of arguments")
    .option("--force", "also if a module it imports is not there yet")
    .action(act(add));

  code
    .command("call <path> [arguments...]")
    .description("call it here, in this process; arguments are JSON, or text if they are not")
    .option("-e, --eval <name=json...>", "a named variable")
    .action(act(call));

  addSourceVerbs(code, PROCEDURES, act);
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

async function call(
  context: CommandContext,
  path: string,
  words: string[],
  options: { eval?: string[] },
): Promise<ExitCode> {
  const at = pathArgument(path);
  const named = Object.fromEntries((options.eval ?? []).map(assignment));
  const tree = await context.tree();
  // Calling takes x on the procedure, besides the right to read it.
  await tree.users.demand("x", tree.system.proc.concat(at));
  await using code = await openCode(tree, true);
  const entry = await code.get(at);
  if (entry === undefined) {
    throw notStored("procedure", at);
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

/** The error and where in stored code it came from; how this command got there is nobody's concern. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const lines = cleanStack(error.stack ?? `${error.name}: ${error.message}`).split("\n");
  const last = lines.findLastIndex((line) => /^\s+at .*\btree:/.test(line));
  return (last < 0 ? lines : lines.slice(0, last + 1)).join("\n");
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

/** The compiler is loaded only by commands that need it, and stored code runs for `call` alone. */
async function openCode(tree: Tree, evaluate: boolean = false): Promise<CodeRoot> {
  const code = await import("../../node/code-root.ts");
  return code.CodeRoot.open(tree, { evaluate });
}

/** Jobs name procedures by path, so nothing else knows of them. */
async function jobsOf(tree: Tree, path: Path): Promise<readonly string[]> {
  const jobs = await JobRoot.open(tree);
  const all = await jobs.list();
  return all
    .filter((job) => job.code?.equals(path) === true)
    .map((job) => `job ${formatPath(job.path)}`);
}

const COLUMNS: readonly Column<CodeInfo>[] = [
  { head: "procedure", cell: ({ path }) => formatPath(path) },
  { head: "mode", cell: ({ mode }) => mode },
  { head: "vars", cell: ({ vars }) => vars.join(", ") },
  { head: "source", cell: ({ code }) => clip(code, 40) },
  { head: "error", cell: ({ error }) => clip(error ?? "", 50) },
];

const PROCEDURES: SourceNoun<CodeInfo, CodeEntry> = {
  name: "procedure",
  columns: COLUMNS,
  open: openCode,
  about: ({ mode = "inline", vars = [] }: CodeEntry) =>
    `mode ${mode}${vars.length === 0 ? "" : `, vars ${vars.join(", ")}`}`,
  users: jobsOf,
};
