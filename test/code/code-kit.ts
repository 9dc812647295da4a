import { expect } from "vitest";

import { CodeRoot } from "../../src/node/code-root.ts";
import { CodeLibrary, type CodeLibraryOptions } from "../../src/code/library.ts";
import { ModuleRoot } from "../../src/code/module-root.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { Tree } from "../../src/tree/tree.ts";
import type { CodeKind } from "../../src/code/unit.ts";
import type { ErrorRecord } from "../../src/tree/error-record.ts";
import { formatPath, toPath } from "../../src/wire/path-text.ts";

/** A tree in memory with its code, ready to be called. */
export interface CodeKit extends AsyncDisposable {
  readonly tree: Tree;
  readonly library: CodeLibrary;
  readonly code: CodeRoot;
  readonly modules: ModuleRoot;
  /** Writes entries as another program would: unchecked, and all before anything is compiled. */
  store(entries: Readonly<Record<string, unknown>>): Promise<void>;
}

export async function openCode(options: CodeLibraryOptions = {}): Promise<CodeKit> {
  const tree = Tree.over(new MemoryEngine(), { author: "test" });
  const library = await CodeLibrary.open(tree, options);
  const code = await CodeRoot.open(library);
  const modules = await ModuleRoot.open(library);
  return {
    tree,
    library,
    code,
    modules,
    async store(entries) {
      let last = 0;
      for (const [id, value] of Object.entries(entries)) {
        const [kind = "", name = ""] = id.split(/:(.*)/s);
        const path = tree.system[kind as CodeKind].concat(toPath(name));
        last = (await (value === undefined ? tree.delete(path) : tree.set(path, value))).revision;
      }
      await library.settled(last);
    },
    async [Symbol.asyncDispose]() {
      await library.close();
      expect(library.alive, "instances left").toBe(0);
      await tree.close();
    },
  };
}

/** What a call or a promise failed with. */
export async function failure(run: () => unknown): Promise<FailedWith> {
  try {
    await run();
  } catch (error) {
    return error as FailedWith;
  }
  throw new Error("it did not fail");
}

export interface FailedWith extends Error {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The records of what is wrong with stored code, once they are written. */
export async function openErrors(kit: CodeKit): Promise<ErrorRecord[]> {
  await kit.library.recorded();
  const records: ErrorRecord[] = [];
  for await (const record of kit.tree.errors.list({ subsystem: "compile" })) records.push(record);
  return records;
}

/** Their paths: `proc.` or `module.` and the name. */
export async function openPaths(kit: CodeKit): Promise<string[]> {
  return (await openErrors(kit)).map(({ path }) => formatPath(path));
}

/** A procedure that imports `quux` from the module `bar.baz`. */
export const QUUX = 'import { quux } from "tree:bar.baz"; return quux()';
/** One version of the module `bar.baz`. */
export const version = (n: number): { code: string } => ({
  code: `export function quux() { return ${n} }`,
});
export const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
