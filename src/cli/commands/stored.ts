import type { Command } from "commander";

import { CliError } from "../../base/errors.ts";
import type { Tree } from "../../tree/tree.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Path } from "../../wire/path.ts";
import type { Act } from "../act.ts";
import { pathArgument, type CommandContext } from "../context.ts";
import type { Column } from "../output.ts";

interface Stored {
  readonly path: Path;
}

interface Source {
  readonly code: string;
}

/** What procedures and modules have in common: source texts under paths. */
interface SourceRoot<Info extends Stored, Entry extends Source> extends AsyncDisposable {
  get(path: Path): Promise<Entry | undefined>;
  list(): Promise<readonly Info[]>;
  remove(path: Path, options: { readonly force: boolean }): Promise<boolean>;
}

/** One noun of the command that works with source texts. */
export interface SourceNoun<Info extends Stored, Entry extends Source = Source> {
  /** `procedure`, `module`: for messages. */
  readonly name: string;
  readonly columns: readonly Column<Info>[];
  readonly open: (tree: Tree) => Promise<SourceRoot<Info, Entry>>;
  /** What there is to know of one beside its text. */
  readonly about?: (entry: Entry) => string;
  /** Who still needs one, besides those that import it: a reason not to delete it. */
  readonly users: (tree: Tree, path: Path) => Promise<readonly string[]>;
}

/** Adds `get`, `ls` and `rm` to a noun. */
export function addSourceVerbs<Info extends Stored, Entry extends Source>(
  command: Command,
  noun: SourceNoun<Info, Entry>,
  act: Act,
): void {
  command
    .command("get <path>")
    .description("print its source")
    .action(act((context, path: string) => get(noun, context, path)));

  command
    .command("ls [path]")
    .alias("list")
    .description(`the ${noun.name}s below a path`)
    .action(act((context, path: string | undefined) => ls(noun, context, path)));

  command
    .command("rm <path>")
    .alias("del")
    .description(`delete a ${noun.name}; refused while something uses it, unless --force`)
    .option("--force", "also if it is used")
    .action(act((context, path: string, options: Force) => rm(noun, context, path, options)));
}

/** As `--force` comes from the command line. */
interface Force {
  readonly force?: boolean;
}

export function notStored(name: string, path: Path): CliError {
  return new CliError("CLI_NOT_FOUND", `there is no ${name} ${formatPath(path)}`);
}

async function get<Info extends Stored, Entry extends Source>(
  noun: SourceNoun<Info, Entry>,
  context: CommandContext,
  path: string,
): Promise<void> {
  const at = pathArgument(path);
  await using root = await noun.open(await context.tree());
  const entry = await root.get(at);
  if (entry === undefined) throw notStored(noun.name, at);
  if (context.output.format !== "table") return context.output.value(entry);
  // Beside the text, which may go to a file.
  if (noun.about !== undefined) context.output.note(noun.about(entry));
  context.output.value(entry.code);
}

async function ls<Info extends Stored, Entry extends Source>(
  noun: SourceNoun<Info, Entry>,
  context: CommandContext,
  path = ":",
): Promise<void> {
  const below = pathArgument(path);
  await using root = await noun.open(await context.tree());
  const all = await root.list();
  const rows = all.filter((item) => below.contains(item.path));
  context.output.rows(rows, noun.columns);
}

async function rm<Info extends Stored, Entry extends Source>(
  noun: SourceNoun<Info, Entry>,
  context: CommandContext,
  path: string,
  { force = false }: Force,
): Promise<void> {
  const at = pathArgument(path);
  const tree = await context.tree();
  const users = force ? [] : await noun.users(tree, at);
  if (users.length > 0) {
    throw new CliError(
      "CLI_IN_USE",
      `the ${noun.name} ${formatPath(at)} is used by ${users.join(", ")}; --force deletes it all the same`,
      { details: { users } },
    );
  }
  await using root = await noun.open(tree);
  const there = await root.remove(at, { force });
  if (!there) throw notStored(noun.name, at);
  context.output.note(`${noun.name} ${formatPath(at)} deleted`);
}
