import { BanyanError, CodeError } from "../base/errors.ts";
import { type TreeEntry, valueOf } from "../tree/entry.ts";
import { type CheckedEntry, checkEntry } from "./entry.ts";
import type { Source } from "./graph.ts";
import { splitId, type Unit } from "./unit.ts";

/** Compiles what was found in the tree. Never throws: what is wrong with it is in the result. */
export function readSource(
  id: string,
  entry: TreeEntry,
  compile: (entry: CheckedEntry) => Unit,
): Source {
  const [kind, name] = splitId(id);
  let text = "";
  try {
    const checked = checkEntry(kind, name, valueOf(entry));
    text = checked.code;
    return { text, compiled: compile(checked) };
  } catch (cause) {
    return { text, compiled: toCodeError(cause, { kind, path: name }) };
  }
}

function toCodeError(cause: unknown, details: { kind: string; path: string }): CodeError {
  if (BanyanError.is(cause) && cause.code.startsWith("CODE_")) return cause as CodeError;
  const what = cause instanceof Error ? cause.message : String(cause);
  return new CodeError("CODE_INVALID", `${details.path}: ${what}`, { cause, details });
}
