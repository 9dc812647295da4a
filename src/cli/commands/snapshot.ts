import { resolve } from "node:path";

import type { Command } from "commander";

import {
  inspectSnapshot,
  loadSnapshot,
  saveSnapshot,
  type SnapshotInfo,
} from "../../node/snapshot.ts";
import type { Act } from "../act.ts";
import { type CommandContext, sourceFile } from "../context.ts";

/** `banyan snapshot`: all of a tree as one file. */
export function addSnapshotCommands(program: Command, act: Act): void {
  const snapshot = program
    .command("snapshot")
    .description("save all of a tree as one file, and load it");

  snapshot
    .command("save <file>")
    .description("write the present state, as it is at one revision, while others go on writing")
    .action(act(save));

  snapshot
    .command("load <file> [dir]")
    .description("make a new tree of a snapshot, with the same revisions, authors and times")
    .action(act(load));

  snapshot
    .command("inspect <file>")
    .description("check a snapshot, and say what is in it")
    .action(act(inspect));
}

async function save(context: CommandContext, file: string): Promise<void> {
  const tree = await context.tree();
  const target = resolve(context.io.cwd, file);
  const info = await saveSnapshot(tree.engine, target, { signal: context.signal });
  context.output.note(`${file}: ${told(info)}`);
  const me = await tree.users.me();
  if (me !== undefined && !me.roles.includes("admin")) {
    context.output.note(`it holds what ${me.name} may read, and nothing else`);
  }
}

async function load(context: CommandContext, file: string, dir?: string): Promise<void> {
  const directory = resolve(context.io.cwd, dir ?? context.folderUrl ?? ".");
  const info = await loadSnapshot(await sourceFile(context.io, file), directory);
  context.output.note(`${directory}: ${told(info)}`);
}

async function inspect(context: CommandContext, file: string): Promise<void> {
  context.output.value(await inspectSnapshot(await sourceFile(context.io, file)));
}

function told({ records, revision, bytes }: SnapshotInfo): string {
  return `${records} records at revision ${revision}, ${bytes} bytes`;
}
