import { resolve } from "node:path";

import type { Command } from "commander";

import { treeDirectory } from "../../node/open.ts";
import { CliError } from "../../base/errors.ts";
import type { CommandContext } from "../context.ts";
import { consoleLog } from "../log.ts";
import type { Act } from "../act.ts";

/** `banyan dev`: everything at once, for trying and developing. */
export function addDevCommand(program: Command, act: Act): void {
  program
    .command("dev [directory]")
    .description("load a directory of procedures, modules, jobs and data, watch it, and run it")
    .option("-n, --nodes <n>", "how many node processes", Number, 3)
    .option("--once", "load the directory once and do not watch it")
    .option("-v, --verbose", "say more")
    .action(act(run));
}

async function run(
  context: CommandContext,
  directory = ".",
  options: { nodes: number; once?: boolean; verbose?: boolean },
): Promise<void> {
  if (!Number.isInteger(options.nodes) || options.nodes < 1 || options.nodes > 64) {
    throw new CliError("CLI_USAGE", "--nodes: give a whole number from 1 to 64");
  }
  const { dev } = await import("../../node/dev.ts");
  const from = resolve(context.io.cwd, directory);
  const { checkDirectory } = await import("../../node/directory.ts");
  await checkDirectory(from);
  await dev({
    directory: from,
    tree: await treeDirectory(context.folderUrl ?? from, { create: true, cwd: context.io.cwd }),
    nodes: Array.from({ length: options.nodes }, (_, i) => `n${i + 1}`),
    watch: options.once !== true,
    verbose: options.verbose ?? false,
    log: consoleLog("dev", { verbose: options.verbose ?? false }),
    signal: context.signal,
  });
}
