import { Option, type Command } from "commander";

import { CliError } from "../../base/errors.ts";
import type { Difference } from "../../tree/diff.ts";
import type { TreeEntry } from "../../tree/entry.ts";
import type { TreeVersion } from "../../tree/history.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Path } from "../../wire/path.ts";
import type { Act } from "../act.ts";
import { pathArgument, type CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { ago, clip, inline, type Column } from "../output.ts";
import { asAsked, revisionArgument } from "../words.ts";

/** What `banyan data` has of the past: `history`, `diff`, `revert`, `keep`. */
export function addHistoryCommands(data: Command, act: Act): void {
  data
    .command("history <path>")
    .description("the versions of an entry that are kept, newest first")
    .action(act(history));

  data
    .command("diff <path>")
    .description("what the last change of an entry changed; exit 10 where there is a difference")
    .addOption(new Option("--from <revision>", "from this version").argParser(revisionArgument))
    .addOption(new Option("--to <revision>", "to this version").argParser(revisionArgument))
    .action(act(diff));

  data
    .command("revert <path> <revision>")
    .description("make an old version of an entry the present one again")
    .action(act(revert));

  data
    .command("keep [path]")
    .description(
      "how much of the past is kept of the entries at and below a path; alone: all rules",
    )
    .addOption(new Option("--versions <n>", "so many versions of each").argParser(count))
    .addOption(
      new Option("--days <n>", "for so many days; without it as long as they fit").argParser(count),
    )
    .action(act(keep));
}

async function history(context: CommandContext, path: string): Promise<void> {
  context.output.rows(await versionsOf(context, pathArgument(path)), VERSION_COLUMNS);
}

async function diff(
  context: CommandContext,
  path: string,
  { from, to }: { from?: number; to?: number },
): Promise<ExitCode> {
  const at = pathArgument(path);
  const tree = await context.tree();
  const found = await tree.diff(at, { from, to, signal: context.signal });
  if (found.length === 0) await versionsOf(context, at);
  context.output.rows(found, DIFFERENCE_COLUMNS);
  return found.length > 0 ? EXIT.differs : EXIT.ok;
}

/** @throws CliError `CLI_NOT_FOUND` where nothing is kept of it, nor there now */
async function versionsOf(context: CommandContext, at: Path): Promise<TreeVersion[]> {
  const tree = await context.tree();
  const versions = await tree.history(at, { signal: context.signal });
  if (versions.length > 0) return versions;
  throw new CliError("CLI_NOT_FOUND", `there is no version of ${formatPath(at)}`);
}

/** @throws CliError `CLI_NOT_FOUND` where that version is not kept, or the entry was deleted by it */
export async function versionOf(
  context: CommandContext,
  at: Path,
  revision: number,
): Promise<TreeEntry> {
  const versions = await versionsOf(context, at);
  const version = versions.find((one) => one.revision === revision);
  if (version !== undefined && !version.deleted) return version;
  const kept = versions.map((one) => one.revision).join(", ");
  const why = version === undefined ? `kept are ${kept}` : "it was deleted then";
  throw new CliError(
    "CLI_NOT_FOUND",
    `${formatPath(at)} has no value of revision ${revision}: ${why}`,
  );
}

async function revert(context: CommandContext, path: string, to: string): Promise<void> {
  const tree = await context.tree();
  const at = pathArgument(path);
  const { revision } = await tree.revert(at, revisionArgument(to), { signal: context.signal });
  context.output.note(`${formatPath(at)} is as at revision ${to} again, revision ${revision}`);
}

async function keep(
  context: CommandContext,
  path: string | undefined,
  { versions, days }: { versions?: number; days?: number },
): Promise<void> {
  const tree = await context.tree();
  if (versions !== undefined) {
    const at = pathArgument(path ?? ":");
    await asAsked(tree.keepHistory(at, { versions, days }));
    context.output.note(`${formatPath(at)} keeps ${versions} versions`);
    return;
  }
  if (path !== undefined || days !== undefined) {
    throw new CliError("CLI_USAGE", "say how many versions are kept, with --versions");
  }
  const rules = await tree.historyRules();
  context.output.rows(rules, [
    { head: "path", cell: (rule) => formatPath(rule.prefix) },
    { head: "versions", cell: (rule) => String(rule.versions) },
    {
      head: "days",
      cell: ({ maxAgeMs }) => (maxAgeMs === Infinity ? "" : String(maxAgeMs / DAY_MS)),
    },
  ]);
}

const DAY_MS = 24 * 60 * 60 * 1_000;

const VERSION_COLUMNS: readonly Column<TreeVersion>[] = [
  { head: "revision", cell: ({ revision }) => String(revision) },
  { head: "value", cell: ({ value, deleted }) => (deleted ? "(deleted)" : clip(inline(value))) },
  { head: "by", cell: ({ author }) => author },
  { head: "age", cell: ({ time }) => ago(time / 1000, Date.now()) },
];

const DIFFERENCE_COLUMNS: readonly Column<Difference>[] = [
  { head: "at", cell: ({ at }) => at.join(".") },
  { head: "change", cell: ({ type }) => type },
  { head: "before", cell: ({ before }) => clip(inline(before)) },
  { head: "after", cell: ({ after }) => clip(inline(after)) },
];

function count(text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number >= 0 && text.trim() !== "") return number;
  throw new CliError("CLI_USAGE", `${text} is no number from 0`);
}
