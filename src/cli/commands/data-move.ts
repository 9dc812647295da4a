import { createWriteStream } from "node:fs";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { Option, type Command } from "commander";

import { CliError } from "../../base/errors.ts";
import type { ExportFormat } from "../../node/export.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Act } from "../act.ts";
import { openSource, pathArgument, type CommandContext } from "../context.ts";

const FORMATS: readonly ExportFormat[] = ["json", "jsonl", "yaml"];

/** `banyan data export` and `import`: a subtree as text that keeps every type. */
export function addMoveCommands(data: Command, act: Act): void {
  data
    .command("export [path]")
    .description("print the entries at and below a path, with all their types, for `data import`")
    .option("-f, --file <file>", "into this file; - for stdout")
    .addOption(formatOption())
    .option("--system", "also what Banyan itself keeps")
    .action(act(exportSubtree));

  data
    .command("import <path> <file>")
    .description(
      "write the entries of an export, from a file or - for stdin, below a path; what is there already stays",
    )
    .addOption(formatOption())
    .action(act(importSubtree));
}

async function exportSubtree(
  context: CommandContext,
  path = ":",
  options: { file?: string; format?: ExportFormat; system?: boolean },
): Promise<void> {
  const tree = await context.tree();
  const { system, signal } = { ...options, signal: context.signal };
  const file = options.file === "-" ? undefined : options.file;
  const format = options.format ?? formatAsked(context, file);
  const { exportEntries } = await import("../../node/export.ts");
  const text = Readable.from(exportEntries(tree, pathArgument(path), { format, system, signal }));
  if (file === undefined) await pipeline(text, context.io.stdout, { end: false });
  else await pipeline(text, createWriteStream(resolve(context.io.cwd, file), { mode: 0o600 }));
}

async function importSubtree(
  context: CommandContext,
  path: string,
  file: string,
  options: { format?: ExportFormat },
): Promise<void> {
  const to = pathArgument(path);
  const from = await openSource(context.io, file);
  const tree = await context.tree({ create: true });
  const { importEntries } = await import("../../node/export.ts");
  const { written, unchanged } = await importEntries(tree, to, {
    from,
    name: file === "-" ? "stdin" : file,
    format: options.format ?? formatOf(file) ?? "jsonl",
    signal: context.signal,
  });
  context.output.note(`${formatPath(to)}: ${written} written, ${unchanged} were there already`);
}

/** As `-o` says, else by the name of the file. @throws CliError `CLI_USAGE` for what keeps no types */
function formatAsked({ output }: CommandContext, file: string | undefined): ExportFormat {
  if (!output.isChosen) return formatOf(file) ?? "jsonl";
  const format = FORMATS.find((known) => known === output.format);
  if (format !== undefined) return format;
  throw new CliError("CLI_USAGE", `an export is ${FORMATS.join(", ")}, not -o ${output.format}`);
}

function formatOf(file: string | undefined): ExportFormat | undefined {
  if (file?.endsWith(".json") === true) return "json";
  if (file?.endsWith(".jsonl") === true) return "jsonl";
  return file !== undefined && /\.ya?ml$/.test(file) ? "yaml" : undefined;
}

function formatOption(): Option {
  const says = "else as -o says, by the name of the file, or jsonl";
  return new Option("-F, --format <format>", says).choices(FORMATS);
}
