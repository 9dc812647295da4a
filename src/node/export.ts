import { text as textOf } from "node:stream/consumers";

import { type BanyanError, NodeError, TreeError } from "../base/errors.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath, parsePath } from "../wire/path-text.ts";
import { Path } from "../wire/path.ts";
import { fromExactJson, toExactJson } from "./exact-json.ts";
import { parseJson } from "./json.ts";
import { fromYaml, toYaml } from "./yaml.ts";

/** JSONL is a line for each entry, and the one for many: JSON and YAML are read as a whole. */
export type ExportFormat = "json" | "jsonl" | "yaml";

export interface ExportOptions {
  readonly format: ExportFormat;
  /** Also Banyan's own data, where it lies below the path. */
  readonly system?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Writes under way at a time. */
const WRITES = 64;

/**
 * The text of a subtree, piece by piece. Paths in it are relative to `from`.
 *
 * @throws TreeError `TREE_BAD_VALUE` with the path of an entry that can't be read
 */
export async function* exportEntries(
  tree: Tree,
  from: Path,
  { format, system = false, signal }: ExportOptions,
): AsyncGenerator<string, void> {
  const hidden = system || tree.system.root.contains(from) ? undefined : tree.system.root;
  const { begin, between, end, none, text } = SYNTAX[format];
  let any = false;
  yield begin;
  for await (const page of tree.walk(from, { signal }).pages()) {
    let piece = "";
    for (const entry of page) {
      if (hidden?.contains(entry.path) === true) continue;
      if (entry.error !== undefined) throw unreadable(entry.path, entry.error);
      const path = formatPath(Path.fromElements(entry.path.slice(from.length)));
      piece += `${any ? between : ""}${text({ path, value: toExactJson(entry.value) })}`;
      any = true;
    }
    yield piece;
  }
  yield any ? end : none;
}

/** An export that leaves something out would be taken for a whole one. */
function unreadable(path: Path, cause: BanyanError): TreeError {
  const says = `${formatPath(path)} can't be read, so the export ends before it: ${cause.message}`;
  return new TreeError("TREE_BAD_VALUE", says, { cause, details: { path } });
}

/** How a list of entries is written. */
interface Syntax {
  readonly begin: string;
  readonly between: string;
  readonly end: string;
  /** The end of a list of nothing. */
  readonly none: string;
  readonly text: (item: unknown) => string;
}

const SYNTAX: Readonly<Record<ExportFormat, Syntax>> = {
  json: {
    begin: "[\n",
    between: ",\n",
    end: "\n]\n",
    none: "]\n",
    text: (item) => JSON.stringify(item),
  },
  jsonl: { begin: "", between: "", end: "", none: "", text: (item) => `${JSON.stringify(item)}\n` },
  yaml: { begin: "", between: "", end: "", none: "[]\n", text: (item) => toYaml([item]) },
};

export interface ImportSource {
  readonly from: NodeJS.ReadableStream;
  /** What people know it by. */
  readonly name: string;
  readonly format: ExportFormat;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes the entries of a file below `to`. It is not one step: what was written before an error stays.
 *
 * @returns how many were written, and how many had their value already
 * @throws NodeError `NODE_BAD_VALUE` with the number of the line or the entry; what `tree.set` throws
 */
export async function importEntries(
  tree: Tree,
  to: Path,
  { from, name, format, signal }: ImportSource,
): Promise<{ written: number; unchanged: number }> {
  let written = 0;
  let unchanged = 0;
  let number = 0;
  const writing = new Set<Promise<void>>();
  const failures: unknown[] = [];
  // A match is refused as long as its type is not there, which comes behind it in the order of paths.
  const matches = tree.system.rule.append("match");
  const last: { at: Path; value: unknown }[] = [];
  const write = (at: Path, value: unknown): void => {
    const one = tree.set(at, value, { idem: true, signal }).then(
      ({ changed }) => void (changed ? written++ : unchanged++),
      (error: unknown) => void failures.push(error),
    );
    writing.add(one);
    void one.then(() => writing.delete(one));
  };
  for await (const item of itemsOf(from, name, format)) {
    signal?.throwIfAborted();
    const { path, value } = entryOf(item, ++number, name);
    const at = to.concat(path);
    if (matches.contains(at)) {
      last.push({ at, value });
      continue;
    }
    write(at, value);
    if (writing.size >= WRITES) await Promise.race(writing);
    if (failures.length > 0) break;
  }
  await Promise.all(writing);
  if (failures.length === 0) for (const { at, value } of last) write(at, value);
  await Promise.all(writing);
  if (failures.length > 0) throw failures[0];
  return { written, unchanged };
}

async function* itemsOf(
  from: NodeJS.ReadableStream,
  name: string,
  format: ExportFormat,
): AsyncGenerator<unknown, void> {
  let at = "";
  try {
    if (format === "jsonl") {
      let line = 0;
      for await (const words of linesOf(from)) {
        at = `line ${++line}: `;
        if (words.trim() !== "") yield parseJson(words);
      }
      return;
    }
    const whole = await textOf(from);
    const items: unknown = format === "json" ? parseJson(whole) : fromYaml(whole);
    if (!Array.isArray(items)) throw new TypeError("it is no list of entries");
    yield* items;
  } catch (cause) {
    const why = `${at}${(cause as Error).message}`;
    throw new NodeError("NODE_BAD_VALUE", `${name} is no ${format} of entries: ${why}`, { cause });
  }
}

async function* linesOf(from: NodeJS.ReadableStream): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of from) {
    const more = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    const lines = `${rest}${more}`.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  yield rest + decoder.decode();
}

function entryOf(item: unknown, number: number, file: string): { path: Path; value: unknown } {
  try {
    const { path, value } = item as { path?: unknown; value?: unknown };
    if (typeof path !== "string" || value === undefined) {
      throw new TypeError("it has no path, or no value");
    }
    return { path: parsePath(path), value: fromExactJson(value) };
  } catch (cause) {
    const why = (cause as Error).message;
    throw new NodeError("NODE_BAD_VALUE", `entry ${number} of ${file}: ${why}`, {
      cause,
      details: { entry: number },
    });
  }
}
