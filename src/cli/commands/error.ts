import type { Command } from "commander";

import { CliError } from "../../base/errors.ts";
import type { ErrorRecord } from "../../tree/error-record.ts";
import { formatPath } from "../../wire/path-text.ts";
import { pathArgument, type CommandContext } from "../context.ts";
import { ago, clip, type Column } from "../output.ts";
import type { Act } from "../act.ts";

/** `banyan error`: what went wrong anywhere, one record per subsystem and path. */
export function addErrorCommands(program: Command, act: Act): void {
  const error = program.command("error").description("what went wrong, anywhere");

  error
    .command("ls")
    .alias("list")
    .description("the open errors; with --all also those that are resolved")
    .option("-a, --all", "also those that are resolved")
    .option("-s, --subsystem <name>", "of one subsystem only: compile, run, job ...")
    .action(act(ls));

  error
    .command("show <subsystem> <path>")
    .description("one record, with its trace and what each node said")
    .action(act(show));

  error
    .command("resolve <subsystem> <path>")
    .description("mark an error as dealt with; it opens again if it happens again")
    .action(act(resolve));
}

async function ls(
  context: CommandContext,
  options: { all?: boolean; subsystem?: string },
): Promise<void> {
  const tree = await context.tree();
  const records: ErrorRecord[] = [];
  const filter = {
    all: options.all ?? false,
    subsystem: options.subsystem,
    signal: context.signal,
  };
  for await (const record of tree.errors.list(filter)) records.push(record);
  context.output.rows(records, COLUMNS);
}

async function show(context: CommandContext, subsystem: string, path: string): Promise<void> {
  const at = pathArgument(path);
  const tree = await context.tree();
  const record = await tree.errors.get({ subsystem, path: at });
  if (record === undefined) {
    throw new CliError("CLI_NOT_FOUND", `there is no error ${subsystem} ${formatPath(at)}`);
  }
  if (context.output.format !== "table") return context.output.value(record);
  context.output.value(pretty(record));
}

async function resolve(context: CommandContext, subsystem: string, path: string): Promise<void> {
  const at = pathArgument(path);
  const tree = await context.tree();
  const record = await tree.errors.resolve({ subsystem, path: at });
  if (record === undefined) {
    throw new CliError("CLI_NOT_FOUND", `there is no open error ${subsystem} ${formatPath(at)}`);
  }
  context.output.note("resolved");
}

function pretty(record: ErrorRecord): string {
  const now = Date.now();
  const lines = [
    `${record.subsystem} ${formatPath(record.path)}: ${record.message}`,
    `seen ${record.count} times, first ${ago(record.first, now)} ago, last ${ago(record.last, now)} ago` +
      (record.resolved === undefined ? "" : `, resolved ${ago(record.resolved, now)} ago`),
  ];
  if (record.trace !== undefined) lines.push("", record.trace);
  for (const [node, detail] of Object.entries(record.nodes)) {
    lines.push("", `${node}: ${detail.count} times, last ${ago(detail.last, now)} ago`);
    if (detail.message !== record.message) lines.push(`  ${detail.message}`);
  }
  return lines.join("\n");
}

const COLUMNS: readonly Column<ErrorRecord>[] = [
  { head: "subsystem", cell: ({ subsystem }) => subsystem },
  { head: "path", cell: ({ path }) => formatPath(path) },
  { head: "count", cell: ({ count }) => String(count) },
  { head: "last", cell: ({ last }) => ago(last, Date.now()) },
  { head: "state", cell: ({ resolved }) => (resolved === undefined ? "open" : "resolved") },
  { head: "message", cell: ({ message }) => clip(message, 70) },
];
