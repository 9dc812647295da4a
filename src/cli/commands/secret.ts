import { resolve } from "node:path";

import type { Command } from "commander";

import { CliError } from "../../base/errors.ts";
import { treeDirectory } from "../../node/open.ts";
import { givenKeysFrom, rotateSecrets } from "../../node/secret-key.ts";
import type { SecretInfo } from "../../tree/secrets/secrets.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Act } from "../act.ts";
import { newSecret } from "../ask.ts";
import { pathArgument, type CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { ago, type Column } from "../output.ts";

/** `banyan secret`: values that are kept encrypted. */
export function addSecretCommands(program: Command, act: Act): void {
  const secret = program.command("secret").description("values that are kept encrypted");

  secret
    .command("set <path>")
    .description("ask for a secret, or read it from stdin, and keep it")
    .action(act(set));

  secret.command("get <path>").description("print one secret").action(act(get));

  secret
    .command("ls")
    .alias("list")
    .description("which secrets there are, not what they are")
    .action(act(ls));

  secret.command("rm <path>").description("remove a secret").action(act(rm));

  secret
    .command("rotate")
    .description(
      "seal all secrets anew with another key; where that was broken off, again finishes it",
    )
    .option("--new-key-file <file>", "where the new key is, or is put if there is none")
    .action(act(rotate));
}

async function set(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  const value = await newSecret(context.io, "secret");
  const tree = await context.tree({ create: true });
  await tree.secrets.set(at, value);
  context.output.note(`secret ${formatPath(at)} set`);
}

async function get(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  const tree = await context.tree();
  const value = await tree.secrets.get(at, { signal: context.signal });
  if (value === undefined)
    throw new CliError("CLI_NOT_FOUND", `there is no secret ${formatPath(at)}`);
  context.output.value(value);
}

async function ls(context: CommandContext): Promise<void> {
  const tree = await context.tree();
  context.output.rows(await tree.secrets.list({ signal: context.signal }), COLUMNS);
}

async function rotate(
  context: CommandContext,
  { newKeyFile }: { readonly newKeyFile?: string },
): Promise<void> {
  const { io, keyFile, treeUrl } = context;
  const given = givenKeysFrom(io.env, keyFile) !== undefined;
  const isFolder = !/^(memory|unix|tls):/i.test(treeUrl ?? "");
  const directory = isFolder ? await treeDirectory(treeUrl, { cwd: io.cwd }) : undefined;
  const tree = await context.tree();
  const file = newKeyFile === undefined ? undefined : resolve(io.cwd, newKeyFile);
  const count = await rotateSecrets(tree, {
    directory: given ? undefined : directory,
    newKeyFile: file,
  });
  context.output.note(`${count} secrets sealed anew`);
  if (file !== undefined) context.output.note(`from now on the key is the one in ${file}`);
}

async function rm(context: CommandContext, path: string): Promise<ExitCode> {
  const at = pathArgument(path);
  const tree = await context.tree();
  const removed = await tree.secrets.remove(at);
  context.output.note(`${removed ? "removed" : "there is no"} secret ${formatPath(at)}`);
  return removed ? EXIT.ok : EXIT.notFound;
}

const COLUMNS: readonly Column<SecretInfo>[] = [
  { head: "path", cell: ({ path }) => formatPath(path) },
  { head: "by", cell: ({ author }) => author },
  { head: "age", cell: ({ time }) => ago(time / 1000, Date.now()) },
];
