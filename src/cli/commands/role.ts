import type { Command } from "commander";

import { CliError } from "../../base/errors.ts";
import type { Role } from "../../tree/users/roles.ts";
import { type Right, RIGHTS } from "../../tree/users/rights.ts";
import type { Act } from "../act.ts";
import { pathArgument, type CommandContext } from "../context.ts";
import type { Column } from "../output.ts";
import { asAsked } from "../words.ts";

const LETTERS = [
  "Rights are letters: r read, w change, c create, d delete, x go below, e list what is below,",
  "n make something new below, a see rights. In a pattern, + stands for one element and # for one or more;",
  "the most specific pattern alone holds. No wildcard stands for .banyan as the first element.",
].join("\n");

/** `banyan role`: what users may do, by patterns of paths. */
export function addRoleCommands(program: Command, act: Act): void {
  const role = program
    .command("role")
    .alias("acl")
    .description("what users may do: rights by patterns of paths")
    .addHelpText("after", `\n${LETTERS}`);

  role.command("ls").alias("list").description("all roles").action(act(ls));

  role
    .command("show <name>")
    .alias("get")
    .description("the patterns of one role and their rights")
    .action(act(show));

  role
    .command("set <name> <pattern> <rights>")
    .description('give rights to a pattern, as `role set foo "one.#" rxe`; - for none')
    .addHelpText("after", `\n${LETTERS}`)
    .action(act(set));

  role
    .command("unset <name> <pattern>")
    .description("take a pattern away, so that wider ones hold")
    .action(act(unset));

  role.command("rm <name>").description("remove a role").action(act(rm));

  role
    .command("rights <path>")
    .description("which rights you have at a path; all, where the tree is not used over a network")
    .action(act(rights));
}

async function ls(context: CommandContext): Promise<void> {
  const tree = await context.tree();
  context.output.rows(await tree.roles.list({ signal: context.signal }), COLUMNS);
}

async function show(context: CommandContext, name: string): Promise<void> {
  const tree = await context.tree();
  const role = await tree.roles.get(name, { signal: context.signal });
  if (role === undefined) throw new CliError("CLI_NOT_FOUND", `there is no role ${name}`);
  const rows = Object.entries(role.rights).map(([pattern, letters]) => ({
    pattern,
    rights: letters,
  }));
  context.output.rows(rows, [
    { head: "pattern", cell: (row) => row.pattern },
    { head: "rights", cell: (row) => (row.rights === "" ? "-" : row.rights) },
  ]);
}

async function set(
  context: CommandContext,
  name: string,
  pattern: string,
  letters: string,
): Promise<void> {
  const at = pathArgument(pattern);
  checkLetters(letters);
  const tree = await context.tree({ create: true });
  await asAsked(tree.roles.set(name, at, letters === "-" ? "" : letters));
  context.output.note(`role ${name} changed`);
}

function checkLetters(letters: string): void {
  if (letters === "-" || letters.split("").every((letter) => RIGHTS.includes(letter as Right)))
    return;
  const what = `rights are letters of "${RIGHTS.join("")}", or - for none, not ${JSON.stringify(letters)}`;
  throw new CliError("CLI_USAGE", what);
}

async function unset(context: CommandContext, name: string, pattern: string): Promise<void> {
  const at = pathArgument(pattern);
  const tree = await context.tree();
  const found = await tree.roles.unset(name, at);
  context.done(found, `role ${name} changed`, `role ${name} says nothing of ${pattern}`);
}

async function rm(context: CommandContext, name: string): Promise<void> {
  const tree = await context.tree();
  const removed = await tree.roles.remove(name);
  context.done(removed, `role ${name} removed`, `there is no role ${name}`);
}

async function rights(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  const tree = await context.tree();
  context.output.value(await tree.users.rights(at));
}

const COLUMNS: readonly Column<Role>[] = [
  { head: "name", cell: ({ name }) => name },
  { head: "kind", cell: ({ builtIn }) => (builtIn ? "built-in" : "") },
  { head: "patterns", cell: ({ rights: by }) => Object.keys(by).join(" ") },
];
