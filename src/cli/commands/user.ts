import { Argument, Option, type Command } from "commander";

import { CliError } from "../../base/errors.ts";
import { LOGIN_METHODS, type LoginMethod } from "../../tree/users/login-methods.ts";
import type { User } from "../../tree/users/user-record.ts";
import { listUserJobs, type UserJob } from "../../node/user-jobs.ts";
import { JobRoot } from "../../runner/job-root.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Act } from "../act.ts";
import { askSecret, newSecret } from "../ask.ts";
import type { CommandContext } from "../context.ts";
import { ago, type Column } from "../output.ts";
import { asAsked, durationArgument } from "../words.ts";

/** `banyan user`: who may use the tree over a network. */
export function addUserCommands(program: Command, act: Act): void {
  const user = program.command("user").description("who may use the tree over a network");

  user
    .command("add <name>")
    .description("add a user; without --password only tokens let them in")
    .option("-r, --role <role...>", "what they may do; without one, nothing")
    .option("-p, --password", "ask for a password, or read it from stdin")
    .addOption(
      new Option("--kind <kind>", "a machine that runs jobs is a node").choices(["user", "node"]),
    )
    .option("--codecs <set>", "the set of conversions for what they read and write")
    .action(act(add));

  user
    .command("ls")
    .alias("list")
    .description("all users, their roles and how they say who they are")
    .action(act(ls));

  user.command("show <name>").description("one user, with the tokens").action(act(show));

  user
    .command("set <name>")
    .alias("mod")
    .description("change a user; it holds at once, for open sessions too")
    .option("-r, --role <role...>", "these roles instead of those before")
    .option("--no-role", "no role")
    .option("-p, --password", "ask for a new password, or read it from stdin")
    .option("--no-password", "only tokens let them in")
    .option("--codecs <set>", "this set of conversions from the next session on")
    .option("--no-codecs", "values as they are")
    .option("--disable", "keep them out, and end their sessions")
    .option("--enable", "let them in again")
    .action(act(set));

  user.command("rm <name>").description("remove a user, and end their sessions").action(act(rm));

  user
    .command("passwd")
    .description("change your own password, on a tree that you use over a network")
    .action(act(passwd));

  user.command("whoami").description("who you are there, and your roles").action(act(whoami));

  user
    .command("methods")
    .description("by what users may say who they are; with some, these alone")
    .addArgument(new Argument("[method...]").choices(LOGIN_METHODS))
    .action(act(loginMethods));

  user
    .command("jobs <name>")
    .description("the jobs that a user set last, and whether they might run their procedures now")
    .option("--disable", "disable those that they might not; what runs of them ends")
    .action(act(jobs));

  user
    .command("token <name>")
    .description("make a token that lets this user in, and print it, this once")
    .addOption(
      new Option("--for <time>", "how long it holds, as 30d, 12h, 15m").argParser(durationArgument),
    )
    .option("--note <text>", "what it is for")
    .option("--revoke <id>", "take this token away instead, and end its sessions")
    .action(act(token));
}

interface AddFlags {
  readonly role?: readonly string[];
  readonly password?: boolean;
  readonly kind?: "user" | "node";
  readonly codecs?: string;
}

async function add(context: CommandContext, name: string, options: AddFlags): Promise<void> {
  const { role = [], kind, codecs } = options;
  const password = options.password === true ? await newSecret(context.io, "password") : undefined;
  const tree = await context.tree({ create: true });
  await asAsked(tree.users.add(name, { roles: role, password, kind, codecs }));
  await noteUnknownRoles(context, role);
  context.output.note(
    `user ${name} added${role.length === 0 ? "; without a role they may do nothing" : ""}`,
  );
}

/** A role may come later than who has it; until then it gives nothing. */
async function noteUnknownRoles(
  context: CommandContext,
  roles: readonly string[] = [],
): Promise<void> {
  const tree = await context.tree();
  for (const role of roles) {
    if ((await tree.roles.get(role, { signal: context.signal })) !== undefined) continue;
    context.output.note(`there is no role ${role} yet: it gives nothing`);
  }
}

async function ls(context: CommandContext): Promise<void> {
  const tree = await context.tree();
  context.output.rows(await tree.users.list({ signal: context.signal }), COLUMNS);
}

async function show(context: CommandContext, name: string): Promise<void> {
  const tree = await context.tree();
  const user = await tree.users.get(name, { signal: context.signal });
  if (user === undefined) throw new CliError("CLI_NOT_FOUND", `there is no user ${name}`);
  context.output.value(user);
}

async function jobs(
  context: CommandContext,
  name: string,
  options: { disable?: boolean },
): Promise<void> {
  const tree = await context.tree();
  const { signal } = context;
  const found = await listUserJobs(tree, name, { signal });
  if (options.disable !== true) return context.output.rows(found, JOB_COLUMNS);
  const jobRoot = await JobRoot.open(tree);
  const unfit = found.filter(({ mayRun, enabled }) => enabled && !mayRun);
  for (const { path, revision: ifRevision } of unfit) {
    const entry = Object(await jobRoot.raw(path, { signal })) as object;
    await jobRoot.set(path, { ...entry, enabled: false }, { ifRevision, signal });
    context.output.note(`job ${formatPath(path)} disabled`);
  }
  if (unfit.length === 0) context.output.note(`${name} may run all that their jobs run`);
}

interface SetFlags {
  readonly role?: readonly string[] | boolean;
  readonly password?: boolean;
  readonly codecs?: string | boolean;
  readonly disable?: boolean;
  readonly enable?: boolean;
}

async function set(context: CommandContext, name: string, options: SetFlags): Promise<void> {
  const { role, password, disable, enable } = options;
  if (disable === true && enable === true) {
    throw new CliError("CLI_USAGE", "--disable and --enable contradict each other");
  }
  const roles = typeof role === "object" ? role : role === false ? [] : undefined;
  const disabled = disable === true ? true : enable === true ? false : undefined;
  const codecs =
    typeof options.codecs === "string"
      ? options.codecs
      : options.codecs === false
        ? null
        : undefined;
  if ([roles, disabled, password, codecs].every((change) => change === undefined)) {
    const all = "--role, --password, --codecs, --disable, --enable";
    throw new CliError("CLI_USAGE", `say what to change: ${all}`);
  }
  const secret = password === true ? await newSecret(context.io, "password") : undefined;
  const tree = await context.tree();
  const given = password === false ? null : secret;
  await asAsked(tree.users.set(name, { roles, disabled, codecs, password: given }));
  await noteUnknownRoles(context, roles);
  context.output.note(`user ${name} changed`);
}

async function rm(context: CommandContext, name: string): Promise<void> {
  const tree = await context.tree();
  const removed = await tree.users.remove(name);
  context.done(removed, `user ${name} removed`, `there is no user ${name}`);
}

async function passwd(context: CommandContext): Promise<void> {
  const { io } = context;
  const tree = await context.tree();
  const old = io.env["BANYAN_PASSWORD"] ?? (await askSecret(io, "Present password"));
  await asAsked(tree.users.changePassword(old, await newSecret(io, "password")));
  context.output.note("password changed");
}

async function whoami(context: CommandContext): Promise<void> {
  const tree = await context.tree();
  const me = await tree.users.me();
  if (me === undefined) context.output.note("the tree is yours: nobody asks");
  else context.output.value(context.output.format === "table" ? me.name : me);
}

async function loginMethods(
  context: CommandContext,
  methods: readonly LoginMethod[],
): Promise<void> {
  const tree = await context.tree();
  if (methods.length > 0) await tree.users.setLoginMethods(methods);
  const now = await tree.users.loginMethods({ signal: context.signal });
  context.output.rows(
    now.map((method) => ({ method })),
    [{ head: "method", cell: ({ method }) => method }],
  );
}

async function token(
  context: CommandContext,
  name: string,
  options: { readonly for?: number; readonly note?: string; readonly revoke?: string },
): Promise<void> {
  const tree = await context.tree();
  if (options.revoke !== undefined) {
    const removed = await tree.users.removeToken(name, options.revoke);
    context.done(removed, "token revoked", `${name} has no token ${options.revoke}`);
    return;
  }
  const made = await tree.users.addToken(name, { forMs: options.for, note: options.note });
  context.output.value(made.token);
  context.output.note(`token ${made.id} of ${name}; it is not shown again`);
}

const COLUMNS: readonly Column<User>[] = [
  { head: "name", cell: ({ name }) => name },
  { head: "kind", cell: ({ kind }) => kind },
  { head: "roles", cell: ({ roles }) => roles.join(" ") },
  { head: "by", cell: ({ methods }) => methods.join(" ") },
  { head: "state", cell: ({ disabled }) => (disabled ? "disabled" : "") },
  { head: "age", cell: ({ created }) => ago(created / 1000, Date.now()) },
];

const JOB_COLUMNS: readonly Column<UserJob>[] = [
  { head: "job", cell: ({ path }) => formatPath(path) },
  { head: "code", cell: ({ code }) => formatPath(code) },
  { head: "might run it", cell: ({ mayRun }) => (mayRun ? "yes" : "no") },
  { head: "enabled", cell: ({ enabled }) => (enabled ? "yes" : "no") },
  { head: "age", cell: ({ time }) => ago(time / 1000, Date.now()) },
];
