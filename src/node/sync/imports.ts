import { checkEntry } from "../../code/entry.ts";
import { modulesOf } from "../../code/stage.ts";
import { formatPath, toPath } from "../../wire/path-text.ts";
import type { PathLike } from "../../wire/path.ts";
import type { DirectoryPlace } from "../directory.ts";

/**
 * The modules that need not be named among those that an entry requires, because its code imports them.
 * All of them where the code is too broken to tell.
 */
export async function importsOf(
  { kind, path }: DirectoryPlace,
  value: unknown,
): Promise<readonly string[]> {
  if (kind !== "proc" && kind !== "module") return [];
  const { requires } = (value ?? {}) as { requires?: unknown };
  if (!Array.isArray(requires) || requires.length === 0) return [];
  // The tool chain is 30 MB that most of what is done here can do without.
  const { compile } = await import("../../code/compile.ts");
  try {
    return modulesOf(compile({ ...checkEntry(kind, formatPath(path), value), requires: [] }));
  } catch {
    return requires.map((module) => nameOf(module));
  }
}

function nameOf(module: unknown): string {
  try {
    return formatPath(toPath(module as PathLike));
  } catch {
    return String(module);
  }
}
