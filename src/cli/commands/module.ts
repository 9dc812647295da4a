import type { Command } from "commander";

import type { ModuleInfo, ModuleRoot } from "../../code/module-root.ts";
import type { Tree } from "../../tree/tree.ts";
import { formatPath } from "../../wire/path-text.ts";
import { pathArgument, readSource, type CommandContext } from "../context.ts";
import { clip, type Column } from "../output.ts";
import type { Act } from "../act.ts";
import { addSourceVerbs, type SourceNoun } from "./stored.ts";

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

  addSourceVerbs(module, MODULES, act);
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

/** The compiler is loaded only by commands that need it. */
async function openModules(tree: Tree): Promise<ModuleRoot> {
  const code = await import("../../code/module-root.ts");
  return code.ModuleRoot.open(tree);
}

const COLUMNS: readonly Column<ModuleInfo>[] = [
  { head: "module", cell: ({ path }) => formatPath(path) },
  { head: "used by", cell: ({ users }) => clip(users.join(", "), 40) },
  { head: "source", cell: ({ code }) => clip(code, 40) },
  { head: "error", cell: ({ error }) => clip(error ?? "", 50) },
];

const MODULES: SourceNoun<ModuleInfo> = {
  name: "module",
  columns: COLUMNS,
  open: openModules,
  // Who imports it, the library knows itself.
  users: async () => [],
};
