import { resolve } from "node:path";

import type { Command } from "commander";

import { CliError } from "../../base/errors.ts";
import type { Act } from "../act.ts";
import { newSecret } from "../ask.ts";
import { type Context, Contexts } from "../config/contexts.ts";
import { isDirectoryAddress } from "../config/setting-names.ts";
import type { CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Column } from "../output.ts";

/** `banyan context`: trees under names. */
export function addContextCommands(program: Command, act: Act): void {
  const context = program
    .command("context")
    .description("trees under names, and who you are there; kept in your own settings");
  // They are what mends them.
  const flagsOnly = { flagsOnly: true };

  context
    .command("ls")
    .alias("list")
    .description("the contexts there are, and which is in use")
    .action(act(ls, flagsOnly));

  context
    .command("add <name> <tree>")
    .description("keep the address of a tree under a name; --user, --codecs and --key-file with it")
    .option("--token", "also a token that lets you in: asked for, or read from stdin")
    .option("--force", "also if there is one of that name")
    .action(act(add, flagsOnly));

  context
    .command("use [name]")
    .description("use it wherever nothing else says which tree; - for the one before")
    .option("--none", "use none any more")
    .action(act(use, flagsOnly));

  context
    .command("show [name]")
    .description("what is kept under a name, or of the one in use; no token")
    .action(act(show, flagsOnly));

  context
    .command("rm <name>")
    .alias("del")
    .description("forget it, with its token")
    .action(act(rm, flagsOnly));
}

/** What can be seen of a context. */
interface ContextRow extends Omit<Context, "token"> {
  readonly name: string;
  readonly inUse: boolean;
  /** Whether there is one. */
  readonly token: boolean;
}

async function ls({ io, output }: CommandContext): Promise<ExitCode> {
  const contexts = new Contexts(io.env);
  const rows: ContextRow[] = [];
  const failures: unknown[] = [];
  for (const name of await contexts.list()) {
    const row = await rowOf(contexts, name).catch((error: unknown) => void failures.push(error));
    if (row !== undefined) rows.push(row);
  }
  output.rows(rows, COLUMNS);
  for (const failure of failures) output.complain((failure as Error).message);
  return failures.length === 0 ? EXIT.ok : EXIT.partlyFailed;
}

async function add(
  { io, output, settings }: CommandContext,
  name: string,
  tree: string,
  { token = false, force = false }: { token?: boolean; force?: boolean },
): Promise<void> {
  const contexts = new Contexts(io.env);
  if (!force && (await contexts.get(name)) !== undefined) {
    throw new CliError("CLI_IN_USE", `there is a context ${name} already; --force replaces it`);
  }
  const [user, codecs, keyFile, format] = (["user", "codecs", "key_file", "output"] as const).map(
    (setting) => settings.get(setting),
  );
  const address = await checkAddress(tree, io.cwd);
  const secret = token ? await newSecret(io, "token") : undefined;
  if (secret === "") throw new CliError("CLI_USAGE", "there was no token on stdin");
  const context: Context = {
    tree: address,
    ...(user !== undefined && { user }),
    ...(secret !== undefined && { token: secret }),
    ...(codecs !== undefined && { codecs }),
    ...(keyFile !== undefined && { key_file: keyFile }),
    ...(format !== undefined && { output: format }),
  };
  await contexts.set(name, context);
  output.note(`context ${name} is ${address}; use it with banyan context use ${name}`);
}

/** A directory is the same one from everywhere. @throws NodeError `NODE_BAD_URL` */
async function checkAddress(tree: string, cwd: string): Promise<string> {
  if (isDirectoryAddress(tree)) return resolve(cwd, tree);
  if (/^(?:unix:\/|file:)/i.test(tree)) return tree;
  const { parseNetworkUrl } = await import("../../node/network.ts");
  parseNetworkUrl(tree);
  return tree;
}

async function use(
  { io, output }: CommandContext,
  name: string | undefined,
  { none = false }: { none?: boolean },
): Promise<void> {
  if ((name === undefined) !== none) {
    throw new CliError("CLI_USAGE", "say the name of a context, - for the one before, or --none");
  }
  const contexts = new Contexts(io.env);
  const wanted = name === "-" ? (await contexts.inUse()).previous : name;
  if (name === "-" && wanted === undefined) throw new CliError("CLI_NOT_FOUND", "there was none before"); // prettier-ignore
  if (wanted !== undefined) await found(contexts, wanted);
  await contexts.use(wanted);
  output.note(wanted === undefined ? "no context is in use" : `context ${wanted} is in use`);
}

async function show({ io, output }: CommandContext, name: string | undefined): Promise<void> {
  const contexts = new Contexts(io.env);
  const wanted = name ?? (await contexts.inUse()).name;
  if (wanted === undefined) throw new CliError("CLI_NOT_FOUND", "no context is in use");
  output.value(await found(contexts, wanted));
}

async function rm(command: CommandContext, name: string): Promise<void> {
  const there = await new Contexts(command.io.env).remove(name);
  command.done(there, `context ${name} is forgotten`, `there is no context ${name}`);
}

/** @throws CliError `CLI_NOT_FOUND` */
async function found(contexts: Contexts, name: string): Promise<ContextRow> {
  const row = await rowOf(contexts, name);
  if (row === undefined) throw new CliError("CLI_NOT_FOUND", `there is no context ${name}`);
  return row;
}

async function rowOf(contexts: Contexts, name: string): Promise<ContextRow | undefined> {
  const context = await contexts.get(name);
  if (context === undefined) return undefined;
  const { token, ...shown } = context;
  const { name: now } = await contexts.inUse();
  return { name, inUse: now === name, ...shown, token: token !== undefined };
}

const COLUMNS: readonly Column<ContextRow>[] = [
  { head: "", cell: ({ inUse }) => (inUse ? "*" : "") },
  { head: "name", cell: ({ name }) => name },
  { head: "tree", cell: ({ tree }) => tree },
  { head: "user", cell: ({ user }) => user ?? "" },
  { head: "token", cell: ({ token }) => (token ? "yes" : "") },
];
