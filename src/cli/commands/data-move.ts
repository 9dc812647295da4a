import { createWriteStream } from "node:fs";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { Option, type Command } from "commander";

import { type ExportFormat, exportEntries, importEntries } from "../../node/export.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Act } from "../act.ts";
import { pathArgument, type CommandContext } from "../context.ts";

const FORMATS: readonly ExportFormat[] = ["json", "jsonl", "yaml"];

/** `banyan data export` and `import`: a subtree as text that keeps every type. */
export function addMoveCommands(data: Command, act: Act): void {
  data
    .command("export [path]")
    .description("print the entries at and below a path, with all their types, for `data import`")
    .option("-f, --file <file>", "into this file")
    .addOption(formatOption())
    .option("--system", "also what Banyan itself keeps")
    .action(act(exportSubtree));

  data
    .command("import <path> <file>")
    .description("write the entries of an export below a path; what is there already stays")
    .addOption(formatOption())
    .action(act(importSubtree));
}

async function exportSubtree(
  context: CommandContext,
  path = ":",
  options: { file?: string; format?: ExportFormat; system?: boolean },
): Promise<void> {
  const tree = await context.tree();
  const { file, system, signal } = { ...options, signal: context.signal };
  const format = options.format ?? formatOf(file);
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
  const tree = await context.tree({ create: true });
  const to = pathArgument(path);
  const { written, unchanged } = await importEntries(tree, to, {
    file: resolve(context.io.cwd, file),
    format: options.format ?? formatOf(file),
    signal: context.signal,
  });
  context.output.note(`${formatPath(to)}: ${written} written, ${unchanged} were there already`);
}

function formatOf(file: string | undefined): ExportFormat {
  if (file?.endsWith(".json") === true) return "json";
  return file !== undefined && /\.ya?ml$/.test(file) ? "yaml" : "jsonl";
}

function formatOption(): Option {
  return new Option("-F, --format <format>", "else by the name of the file, and jsonl").choices(
    FORMATS,
  );
}
