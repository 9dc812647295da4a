import { Option, type Command } from "commander";

import { CliError } from "../../base/errors.ts";
import { type TreeEntry, valueOf } from "../../tree/entry.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Path } from "../../wire/path.ts";
import { pathArgument, type CommandContext } from "../context.ts";
import { ago, clip, inline, type Column } from "../output.ts";
import type { Act } from "../act.ts";
import { takesValue, type ValueFlags, givenValue } from "../value-argument.ts";
import { revisionArgument } from "../words.ts";
import { addHistoryCommands, versionOf } from "./data-history.ts";
import { addMoveCommands } from "./data-move.ts";

/** `banyan data`: entries of the tree. */
export function addDataCommands(program: Command, act: Act): void {
  const data = program.command("data").description("read and write entries of the tree");

  data
    .command("get <path>")
    .description("print the value of one entry, or with --recursive of everything below it")
    .option("-r, --recursive", "this entry and all below it")
    .addOption(depthOption("--min-depth <n>", "with --recursive: only what is that deep below it"))
    .addOption(depthOption("--max-depth <n>", "with --recursive: nothing that is deeper below it"))
    .addOption(
      new Option("--revision <n>", "as this version of it had it").argParser(revisionArgument),
    )
    .option("-m, --meta", "with revision, author and time")
    .action(act(get));

  takesValue(data.command("set <path> [value]"))
    .description("write one entry; a value that is JSON is taken as that, anything else as text")
    .addOption(
      new Option("--if-revision <n>", "only if the entry is at it").argParser(revisionArgument),
    )
    .option("--new", "only if there is no such entry")
    .option("--idem", "do nothing if it has that value already")
    .action(act(set));

  data
    .command("del <path>")
    .alias("rm")
    .description("delete one entry; what is below it stays, unless --recursive")
    .option("-r, --recursive", "and everything below it")
    .addOption(
      new Option("--if-revision <n>", "only if the entry is at it").argParser(revisionArgument),
    )
    .action(act(del));

  data
    .command("ls [path]")
    .alias("list")
    .description("the entries directly below a path (`:` or nothing: the root)")
    .action(act(ls));

  data
    .command("watch [path]")
    .description("print the present entries, then every change, until interrupted")
    .option("--no-initial", "changes only")
    .action(act(watch));

  addHistoryCommands(data, act);
  addMoveCommands(data, act);
}

function depthOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    const depth = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(depth)) return depth;
    throw new CliError("CLI_USAGE", `${text} is no depth: give a whole number from 0`);
  });
}

interface GetFlags {
  readonly recursive?: boolean;
  readonly minDepth?: number | undefined;
  readonly maxDepth?: number | undefined;
  readonly revision?: number;
  readonly meta?: boolean;
}

async function get(context: CommandContext, path: string, options: GetFlags): Promise<void> {
  const at = pathArgument(path);
  const { recursive = false, minDepth, maxDepth, revision, meta = false } = options;
  if (recursive ? revision !== undefined : (minDepth ?? maxDepth) !== undefined) {
    const says = "--min-depth and --max-depth go with --recursive, --revision does not";
    throw new CliError("CLI_USAGE", says);
  }
  if (recursive) return getAll(context, at, { minDepth, maxDepth });
  const entry =
    revision === undefined
      ? await presentEntry(context, at)
      : await versionOf(context, at, revision);
  context.output.value(meta ? entry : valueOf(entry));
}

async function presentEntry(context: CommandContext, at: Path): Promise<TreeEntry> {
  const tree = await context.tree();
  const entry = await tree.entry(at, { signal: context.signal });
  if (entry !== undefined) return entry;
  throw new CliError("CLI_NOT_FOUND", `there is no entry at ${formatPath(at)}`);
}

async function getAll(
  context: CommandContext,
  at: Path,
  depths: Pick<GetFlags, "minDepth" | "maxDepth">,
): Promise<void> {
  const tree = await context.tree();
  const entries = await tree.walk(at, { ...depths, signal: context.signal }).toArray();
  if (entries.length === 0) {
    throw new CliError("CLI_NOT_FOUND", `there is no entry at or below ${formatPath(at)}`);
  }
  context.output.rows(entries, ENTRY_COLUMNS);
}

interface SetFlags extends ValueFlags {
  readonly ifRevision?: number;
  readonly new?: boolean;
  readonly idem?: boolean;
}

async function set(
  context: CommandContext,
  path: string,
  given: string | undefined,
  options: SetFlags,
): Promise<void> {
  const at = pathArgument(path);
  const value = await givenValue(context.io, given, options);
  const tree = await context.tree({ create: true });
  const { revision: written, changed } = await tree.set(at, value, {
    ifRevision: options.ifRevision,
    onlyNew: options.new ?? false,
    idem: options.idem ?? false,
    signal: context.signal,
  });
  context.output.note(`${formatPath(at)} ${changed ? "set" : "unchanged"}, revision ${written}`);
}

async function del(
  context: CommandContext,
  path: string,
  options: { recursive?: boolean; ifRevision?: number },
): Promise<void> {
  const tree = await context.tree();
  const at = pathArgument(path);
  const { changed } = await tree.delete(at, {
    recursive: options.recursive ?? false,
    ifRevision: options.ifRevision,
    signal: context.signal,
  });
  const where = formatPath(at);
  context.done(changed, `${where} deleted`, `there is nothing at ${where}`);
}

async function ls(context: CommandContext, path = ":"): Promise<void> {
  const tree = await context.tree();
  const rows: ListRow[] = [];
  for await (const { path: at, entry } of tree.list(pathArgument(path))) {
    rows.push({ path: formatPath(at), ...(entry === undefined ? {} : { entry }) });
  }
  context.output.rows(rows, LIST_COLUMNS);
}

async function watch(
  context: CommandContext,
  path = ":",
  options: { initial: boolean },
): Promise<void> {
  const tree = await context.tree();
  const events = tree.watch(pathArgument(path), {
    current: options.initial,
    signal: context.signal,
  });
  for await (const event of events) {
    if (event.type === "put") {
      const { path: at, value, revision: written } = event.entry;
      context.output.event(event, `${written}\t${formatPath(at)}\t${inline(value)}`);
    } else if (event.type === "delete") {
      context.output.event(event, `${event.revision}\t${formatPath(event.path)}\t(deleted)`);
    } else {
      context.output.note(event.type === "ready" ? `ready, ${event.count} entries` : event.type);
    }
  }
}

interface ListRow {
  readonly path: string;
  readonly entry?: TreeEntry;
}

const LIST_COLUMNS: readonly Column<ListRow>[] = [
  { head: "path", cell: ({ path }) => path },
  { head: "value", cell: ({ entry }) => clip(inline(entry?.value)) },
  { head: "by", cell: ({ entry }) => entry?.author ?? "" },
  { head: "age", cell: ({ entry }) => ago(entry && entry.time / 1000, Date.now()) },
];

const ENTRY_COLUMNS: readonly Column<TreeEntry>[] = [
  { head: "path", cell: ({ path }) => formatPath(path) },
  { head: "value", cell: ({ value }) => clip(inline(value)) },
  { head: "revision", cell: (entry) => String(entry.revision) },
  { head: "by", cell: ({ author }) => author },
];
