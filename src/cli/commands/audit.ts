import type { Command } from "commander";

import type { Refused } from "../../tree/users/refused.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Act } from "../act.ts";
import type { CommandContext } from "../context.ts";
import { ago, clip, type Column } from "../output.ts";

/** `banyan audit`: what was refused to whoever came over the network. */
export function addAuditCommand(program: Command, act: Act): void {
  program
    .command("audit")
    .description("what was refused to users and strangers on the network, the latest first")
    .option("--of <name>", "of this user only")
    .action(act(audit));
}

async function audit(context: CommandContext, { of }: { readonly of?: string }): Promise<void> {
  const tree = await context.tree();
  const all = await tree.users.refused({ signal: context.signal });
  context.output.rows(of === undefined ? all : all.filter(({ user }) => user === of), COLUMNS);
}

const COLUMNS: readonly Column<Refused>[] = [
  { head: "last", cell: ({ last }) => ago(last / 1000, Date.now()) },
  { head: "count", cell: ({ count }) => String(count) },
  { head: "user", cell: ({ user }) => user ?? "" },
  { head: "from", cell: ({ from }) => from },
  { head: "what", cell: ({ operation }) => operation },
  { head: "path", cell: ({ path }) => (path === undefined ? "" : formatPath(path)) },
  { head: "why", cell: ({ why }) => clip(why) },
];
