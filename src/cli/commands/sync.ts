import { realpath } from "node:fs/promises";
import { resolve } from "node:path";

import { Option, type Command } from "commander";

import { CliError } from "../../base/errors.ts";
import type { SyncOptions } from "../../node/sync/sync.ts";
import type { SyncItem, SyncResult, SyncStep, TransferOptions } from "../../node/sync/transfer.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Act } from "../act.ts";
import { pathArgument, type CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Column } from "../output.ts";

interface PullWords {
  readonly data?: string[];
  readonly delete?: boolean;
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly adopt?: boolean;
}

interface PushWords extends PullWords {
  readonly check: boolean;
}

/** `banyan sync`: a directory of files and the tree. */
export function addSyncCommands(program: Command, act: Act): void {
  const sync = program
    .command("sync")
    .description("keep a directory of procedures, modules, jobs and data in step with the tree");

  transferCommand(sync, "pull")
    .description("write to the directory what changed in the tree; files: only these")
    .addOption(dataOption("also the data below this path, from now on; may be given again"))
    .option("-f, --force", "the tree's is right wherever they differ")
    .option("--delete", "remove files whose entries are gone from the tree")
    .action(act(pull));

  transferCommand(sync, "push")
    .description("write to the tree what changed in the directory; files: only these")
    .option("-f, --force", "the directory's is right wherever they differ")
    .option("--delete", "delete entries whose files are gone from the directory")
    .option("--no-check", "also code that does not compile or link")
    .action(act(push));

  sync
    .command("diff [directory] [files...]")
    .description("what is not in step, and how it differs; exit 10 if anything is")
    .addOption(dataOption("also the data below this path; may be given again"))
    .option("--adopt", "as if it had never been in step with another tree")
    .action(act(diff));
}

/** One path each: what follows is the directory. */
function dataOption(description: string): Option {
  return new Option("--data <path>", description).argParser(alsoThis);
}

function alsoThis(path: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), path];
}

function transferCommand(sync: Command, name: string): Command {
  return sync
    .command(`${name} [directory] [files...]`)
    .option("-n, --dry-run", "only say what would be done")
    .option("--adopt", "take this tree from now on, and forget another one");
}

async function pull(
  context: CommandContext,
  directory = ".",
  files: string[],
  words: PullWords,
): Promise<ExitCode> {
  const { pullDirectory } = await import("../../node/sync/sync.ts");
  const options = await openOptions(context, directory, { files, words, create: false });
  const result = await pullDirectory(options, transferOf(words));
  return report(context, result, words, ["pulled", "the tree", "its file stays"]);
}

async function push(
  context: CommandContext,
  directory = ".",
  files: string[],
  words: PushWords,
): Promise<ExitCode> {
  const { pushDirectory } = await import("../../node/sync/sync.ts");
  const options = await openOptions(context, directory, { files, words, create: true });
  const result = await pushDirectory(options, { ...transferOf(words), check: words.check });
  return report(context, result, words, ["pushed", "the directory", "its entry stays"]);
}

async function diff(
  context: CommandContext,
  directory = ".",
  files: string[],
  words: PullWords,
): Promise<ExitCode> {
  const { compare } = await import("../../node/sync/sync.ts");
  const { patchOf } = await import("../../node/sync/patch.ts");
  const { isInStep } = await import("../../node/sync/standing.ts");
  const options = await openOptions(context, directory, { files, words, create: false });
  const items = (await compare(options)).filter((item) => item.problem !== undefined || !isInStep(item)); // prettier-ignore
  const { output } = context;
  const rows = await Promise.all(items.map(async (item) => difference(item, await patchOf(item))));
  if (output.format === "table" || output.format === "raw") {
    for (const row of rows) output.event(row, `${row.file}: ${says(row)}\n${row.diff}`.trimEnd());
  } else output.rows(rows, []);
  if (items.length === 0) output.note(`${directory} and the tree are in step`);
  return items.length === 0 ? EXIT.ok : EXIT.differs;
}

/** What `-o json` shows of an entry that is not in step. */
interface DifferenceRow {
  readonly file: string;
  readonly kind: string;
  readonly path: string;
  readonly here: string | null;
  readonly there: string | null;
  readonly conflict: boolean;
  readonly problem: string | null;
  readonly revision: number | null;
  readonly author: string | null;
  readonly diff: string;
}

function difference(item: SyncItem, patch: string): DifferenceRow {
  const { file, kind, path, here = null, there = null, problem = null, remote } = item;
  return {
    file,
    kind,
    path: formatPath(path),
    here,
    there,
    conflict: here !== null && there !== null,
    problem,
    revision: remote?.revision ?? null,
    author: remote?.author ?? null,
    diff: patch,
  };
}

function says({ here, there, problem, conflict, author }: DifferenceRow): string {
  if (problem !== null) return problem;
  const by = author === null ? "" : ` by ${author}`;
  if (conflict) return `conflict: ${here} here, ${there} in the tree${by}`;
  return here === null ? `${there} in the tree${by}` : `${here} here`;
}

interface Opening {
  readonly files: readonly string[];
  readonly words: PullWords;
  /** Whether there need not be a tree yet. */
  readonly create: boolean;
}

/** The tree is the one that is named, else the one the directory knows, has in it, or is near. */
async function openOptions(
  context: CommandContext,
  given: string,
  { files, words, create }: Opening,
): Promise<SyncOptions> {
  const { findTree } = await import("../../node/sync/find-tree.ts");
  const { cwd } = context.io;
  const directory = resolve(cwd, given);
  const found = await findTree(directory, { cwd, said: saidTree(context), set: context.treeUrl });
  const tree = await context.tree({ create: create && found === undefined, url: found });
  const { addressOf } = await import("../../node/sync/find-tree.ts");
  return {
    directory,
    tree,
    treeUrl: await addressOf(found, { cwd }),
    data: words.data?.map(pathArgument),
    only: files.length === 0 ? undefined : await Promise.all(files.map((file) => within(directory, cwd, file))), // prettier-ignore
    adopt: words.adopt,
    signal: context.signal,
  };
}

/** The tree that was named for this one command. */
function saidTree({ settings, treeUrl }: CommandContext): string | undefined {
  const { kind } = settings.originOf("tree") ?? {};
  const by = kind === "context" ? settings.originOf("context")?.kind : kind;
  return by === "flag" || by === "env" ? treeUrl : undefined;
}

/** A file as one says it from where one is, or from the directory. */
async function within(directory: string, cwd: string, file: string): Promise<string> {
  const { nameWithin } = await import("../../node/sync/sync.ts");
  const real = await realpath(directory).catch(() => directory);
  for (const at of [resolve(cwd, file), resolve(directory, file)]) {
    const name = nameWithin(directory, at) ?? nameWithin(real, at);
    if (name !== undefined) return name;
  }
  throw new CliError("CLI_USAGE", `${file} is not in ${directory}`);
}

function transferOf(words: PullWords): TransferOptions {
  return {
    force: words.force ?? false,
    delete: words.delete ?? false,
    dryRun: words.dryRun ?? false,
  };
}

/** Rows of what was done to stdout; what was not, and why, to stderr. */
function report(
  { output }: CommandContext,
  { done, kept, failed }: SyncResult,
  { dryRun = false }: PullWords,
  [did, side, stays]: readonly [string, string, string],
): ExitCode {
  output.rows(done.map(({ kind, path, file, action }) => ({ action, file, kind, path: formatPath(path) })), STEP_COLUMNS); // prettier-ignore
  for (const { file } of kept) {
    output.note(`${file} is gone from ${side}; ${stays} without --delete`);
  }
  for (const { file, problem } of failed) output.complain(`${file}: ${problem}`);
  const word = dryRun ? `would be ${did}` : did;
  output.note(done.length === 0 ? `nothing ${word}` : `${done.length} ${word}`);
  return failed.length === 0 ? EXIT.ok : EXIT.partlyFailed;
}

const STEP_COLUMNS: readonly Column<Pick<SyncStep, "action" | "file">>[] = [
  { head: "action", cell: ({ action }) => action },
  { head: "file", cell: ({ file }) => file },
];
