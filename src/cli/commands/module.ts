import type { Command } from "commander";

import { CliError } from "../../base/errors.ts";
import type { ModuleRoot } from "../../code/module-root.ts";
import type { Tree } from "../../tree/tree.ts";
import { formatPath } from "../../wire/path-text.ts";
import { pathArgument, readSource, type CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { clip, type Column } from "../output.ts";
import type { Act } from "../program.ts";

/** `banyan module`: what procedures import. */
export function addModuleCommands(program: Command, act: Act): void {
  const module = program
    .command("module")
    .description('stored modules: import { x } from "tree:some.path"');

  module
    .command("add <path> <file>")
    .alias("set")
    .description("store a module from a file (- for stdin); refused if it does not compile")
    .option("--force", "also if a module it imports is not there yet")
    .action(act(add));

  module.command("get <path>").description("print its source").action(act(get));

  module.command("ls [path]").alias("list").description("the modules below a path").action(act(ls));

  module
    .command("rm <path>")
    .alias("del")
    .description("delete a module; refused while something imports it, unless --force")
    .option("--force", "also if it is used")
    .action(act(rm));
}

async function add(
  context: CommandContext,
  path: string,
  file: string,
  options: { force?: boolean },
): Promise<void> {
  const at = pathArgument(path);
  const code = await readSource(context.io, file);
  await using modules = await openModules(await context.tree({ create: true }));
  await modules.add(at, { code }, { force: options.force ?? false });
  context.output.note(`module ${formatPath(at)} stored`);
}

async function get(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  await using modules = await openModules(await context.tree());
  const entry = await modules.get(at);
  if (entry === undefined) {
    throw new CliError("CLI_NOT_FOUND", `there is no module ${formatPath(at)}`);
  }
  context.output.value(context.output.format === "table" ? entry.code : entry);
}

async function ls(context: CommandContext, path = ":"): Promise<void> {
  const below = pathArgument(path);
  await using modules = await openModules(await context.tree());
  const all = await modules.list();
  context.output.rows(
    all.filter((item) => below.contains(item.path)),
    COLUMNS,
  );
}

async function rm(
  context: CommandContext,
  path: string,
  options: { force?: boolean },
): Promise<ExitCode> {
  const at = pathArgument(path);
  await using modules = await openModules(await context.tree());
  const there = await modules.remove(at, { force: options.force ?? false });
  context.output.note(
    there ? `module ${formatPath(at)} deleted` : `there is no module ${formatPath(at)}`,
  );
  return there ? EXIT.ok : EXIT.notFound;
}

/** The compiler is loaded only by commands that need it. */
async function openModules(tree: Tree): Promise<ModuleRoot> {
  const code = await import("../../code/module-root.ts");
  return code.ModuleRoot.open(tree);
}

interface Row {
  readonly path: Parameters<typeof formatPath>[0];
  readonly code: string;
  readonly users: readonly string[];
  readonly error?: string | undefined;
}

const COLUMNS: readonly Column<Row>[] = [
  { head: "module", cell: ({ path }) => formatPath(path) },
  { head: "used by", cell: ({ users }) => clip(users.join(", "), 40) },
  { head: "source", cell: ({ code }) => clip(code, 40) },
  { head: "error", cell: ({ error }) => clip(error ?? "", 50) },
];
