import { resolve } from "node:path";

import type { Command } from "commander";

import type { Finding } from "../../node/doctor.ts";
import { treeDirectory } from "../../node/tree-folder.ts";
import type { Act } from "../act.ts";
import type { CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Column } from "../output.ts";

/** `banyan doctor`: what a tree's folder is like. */
export function addDoctorCommand(program: Command, act: Act): void {
  program
    .command("doctor [dir]")
    .description(
      "look at the folder of a tree and say what is wrong; changes nothing; exit 1 for problems",
    )
    .action(act(doctor));
}

async function doctor(context: CommandContext, dir?: string): Promise<ExitCode> {
  const { examineTree } = await import("../../node/doctor.ts");
  const { cwd } = context.io;
  const named = dir === undefined ? context.folderUrl : resolve(cwd, dir);
  const findings = await examineTree(await treeDirectory(named, { cwd }));
  context.output.rows(findings, COLUMNS);
  return findings.some(({ state }) => state === "problem") ? EXIT.failed : EXIT.ok;
}

const COLUMNS: readonly Column<Finding>[] = [
  { head: "check", cell: ({ check }) => check },
  { head: "state", cell: ({ state }) => state },
  { head: "", cell: ({ says }) => says },
];
