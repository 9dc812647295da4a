import type { Command } from "commander";

import { runHub } from "../../node/hub.ts";
import { treeDirectory } from "../../node/open.ts";
import type { CommandContext } from "../context.ts";
import type { Act } from "../program.ts";
import { consoleLog } from "../log.ts";

/** `banyan up`: the hub in the foreground. */
export function addUpCommand(program: Command, act: Act): void {
  program
    .command("up")
    .description(
      "keep the hub of a tree running in the foreground; makes the tree if there is none",
    )
    .action(act(up));
}

async function up(context: CommandContext): Promise<void> {
  const directory = await treeDirectory(context.treeUrl, { create: true, cwd: context.io.cwd });
  await runHub({
    directory,
    idleMs: Infinity,
    log: consoleLog("hub"),
    signal: context.signal,
    onReady: ({ socket }) => context.output.note(`hub of ${directory} at ${socket}`),
  });
}
