import type { Command } from "commander";

import { CliError } from "../../base/errors.ts";
import { expectMembers, listGroups } from "../../node/on-use.ts";
import type { GroupListing } from "../../runner/group.ts";
import { isName, NAME_TEXT } from "../../runner/names.ts";
import type { Act } from "../act.ts";
import type { CommandContext } from "../context.ts";
import type { Column } from "../output.ts";

/** `banyan group`: which nodes belong together, and which of them are there. */
export function addGroupCommands(program: Command, act: Act): void {
  const group = program
    .command("group")
    .description("groups of nodes: who is expected, who is there");
  group.command("ls").alias("list").description("the groups, with their members").action(act(ls));
  group
    .command("expect <group> <member...>")
    .description(
      "say whom a group expects: the names of nodes, or how many; its jobs are told who is missing",
    )
    .action(act(expectThem));
  group
    .command("rm <group>")
    .alias("del")
    .description("expect nobody any more; the nodes of the group stay in it")
    .action(act(rm));
}

async function ls(context: CommandContext): Promise<void> {
  context.output.rows(await listGroups(await context.tree()), COLUMNS);
}

async function expectThem(
  context: CommandContext,
  group: string,
  members: readonly string[],
): Promise<void> {
  const name = nameOf(group);
  const [first = ""] = members;
  const isCount = members.length === 1 && /^\d+$/.test(first);
  const expected = isCount ? Number(first) : [...new Set(members.map(nameOf))];
  if (isCount && !Number.isSafeInteger(expected)) {
    throw new CliError("CLI_USAGE", `${first}: give a smaller number of nodes, or their names`);
  }
  await expectMembers(await context.tree({ create: true }), name, expected);
  context.output.note(`group ${name} expects ${members.join(", ")}`);
}

async function rm(context: CommandContext, group: string): Promise<void> {
  const name = nameOf(group);
  const there = await expectMembers(await context.tree(), name, undefined);
  context.done(there, `group ${name} expects nobody`, `group ${name} expects nobody anyway`);
}

function nameOf(text: string): string {
  if (isName(text)) return text;
  throw new CliError("CLI_USAGE", `${JSON.stringify(text)}: give ${NAME_TEXT}`);
}

const COLUMNS: readonly Column<GroupListing>[] = [
  { head: "group", cell: ({ name }) => name },
  { head: "state", cell: ({ complete }) => (complete ? "complete" : "partial") },
  { head: "there", cell: ({ live }) => live.join(", ") },
  { head: "missing", cell: ({ missing }) => missing.join(", ") },
  {
    head: "expected",
    cell: ({ expect }) => (typeof expect === "object" ? expect.join(", ") : String(expect ?? "")),
  },
];
