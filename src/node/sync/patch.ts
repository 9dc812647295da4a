import { formatPath } from "../../wire/path-text.ts";
import { writeBytes } from "../entry-file.ts";
import { importsOf } from "./imports.ts";
import type { SyncItem } from "./transfer.ts";
import { unifiedDiff } from "./unified.ts";

/** Longer ones are only said to differ: nobody reads them, and comparing takes long. */
const MAX_CHARACTERS = 1_000_000;

/**
 * How the two sides of an entry differ, as a unified diff: from the tree to the file, or, where only the tree
 * changed, from the file to the tree. Values are shown as they would be written, however a file has them.
 */
export async function patchOf(item: SyncItem): Promise<string> {
  if (item.problem !== undefined) return "";
  const file = { name: item.file, text: await textOf(item, item.local) };
  const entry = { name: nameInTree(item), text: await textOf(item, item.remote) };
  return item.here === undefined ? patch(file, entry) : patch(entry, file);
}

interface Side {
  readonly name: string;
  /** Undefined for bytes that are no text, null where there is nothing. */
  readonly text: string | null | undefined;
}

function patch(from: Side, to: Side): string {
  if (from.text === undefined || to.text === undefined) return "at least one is bytes, no text\n";
  const [before, after] = [from.text ?? "", to.text ?? ""];
  if (before.length + after.length > MAX_CHARACTERS) return "too long to show how they differ\n";
  const [old, now] = [from, to].map(({ name, text }) => (text === null ? "/dev/null" : name));
  return `--- ${old}\n+++ ${now}\n${unifiedDiff(before, after)}`;
}

function nameInTree({ kind, path, remote }: SyncItem): string {
  const revision = remote === undefined ? "" : ` (revision ${remote.revision})`;
  return `tree:${kind}:${formatPath(path)}${revision}`;
}

async function textOf(
  { kind, path }: SyncItem,
  side: { readonly value: unknown } | undefined,
): Promise<Side["text"]> {
  if (side === undefined) return null;
  const { value } = side;
  const { text } = writeBytes({ kind, value, derived: await importsOf({ kind, path }, value) });
  return typeof text === "string" ? text : undefined;
}
