import { formatPath } from "../../wire/path-text.ts";
import { writeBytes } from "../entry-file.ts";
import { importsOf } from "./imports.ts";
import type { SyncItem } from "./transfer.ts";

/** Longer ones are only said to differ: nobody reads them, and comparing takes long. */
const MAX_CHARACTERS = 1_000_000;
/** From one text to the other, in lines: more take long, too. */
const MAX_STEPS = 5_000;
const CONTEXT = 3;

/**
 * How the two sides of an entry differ, as a unified diff: from the tree to the file, or, where only the tree
 * changed, from the file to the tree. Values are shown as they would be written, however a file has them.
 */
export async function patchOf(item: SyncItem): Promise<string> {
  if (item.problem !== undefined) return "";
  const file = { name: item.file, text: await textOf(item, item.local) };
  const entry = { name: nameInTree(item), text: await textOf(item, item.remote) };
  return item.here === undefined ? await patch(file, entry) : await patch(entry, file);
}

interface Side {
  readonly name: string;
  /** Undefined for bytes that are no text, null where there is nothing. */
  readonly text: string | null | undefined;
}

async function patch(from: Side, to: Side): Promise<string> {
  if (from.text === undefined || to.text === undefined) return "at least one is bytes, no text\n";
  const [before, after] = [from.text ?? "", to.text ?? ""];
  if (before.length + after.length > MAX_CHARACTERS) return "too long to show how they differ\n";
  const { createTwoFilesPatch, FILE_HEADERS_ONLY } = await import("diff");
  const text = createTwoFilesPatch(nameOf(from), nameOf(to), before, after, undefined, undefined, {
    context: CONTEXT,
    maxEditLength: MAX_STEPS,
    headerOptions: FILE_HEADERS_ONLY,
  });
  return text ?? "they have too little in common to show how they differ\n";
}

function nameOf({ name, text }: Side): string {
  return text === null ? "/dev/null" : name;
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
