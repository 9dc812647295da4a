import assert from "node:assert/strict";

import { BanyanError } from "../base/errors.ts";
import type { ErrorCode } from "../base/error-codes.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";
import type { PathLike } from "../wire/path.ts";

/** Two clients of one store, which is empty at first. */
export interface TreePair extends AsyncDisposable {
  /** Its author is "near". */
  readonly near: Tree;
  /** Its author is "far". */
  readonly far: Tree;
}

/** Each by its name. */
export type TreeCases = Readonly<Record<string, (pair: TreePair) => Promise<void>>>;

/** The next `count` of `iterator`, which stays open. */
export async function take<T>(iterator: AsyncIterator<T>, count: number): Promise<T[]> {
  const items: T[] = [];
  while (items.length < count) {
    const { done, value } = await iterator.next();
    assert.ok(done !== true, `it ended after ${items.length} of ${count}`);
    items.push(value);
  }
  return items;
}

/** All of `items`, as `show` puts them. */
export async function collect<T, U>(items: AsyncIterable<T>, show: (item: T) => U): Promise<U[]> {
  const all: U[] = [];
  for await (const item of items) all.push(show(item));
  return all;
}

/** "path=value", for comparing at a glance. */
export function shown(entry: { readonly path: PathLike; readonly value: unknown }): string {
  const path = typeof entry.path === "string" ? entry.path : formatPath(entry.path);
  return `${path}=${String(entry.value)}`;
}

/** Asserts that `run` rejects, or throws, with that code. */
export async function rejectsWith(code: ErrorCode, run: () => unknown): Promise<BanyanError> {
  try {
    await run();
  } catch (error) {
    assert.ok(BanyanError.is(error), `one of ours: ${String(error)}`);
    assert.equal(error.code, code);
    return error;
  }
  return assert.fail(`expected ${code}`);
}

/** Writes a few entries, in order. */
export async function fill(tree: Tree, values: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [path, value] of Object.entries(values)) await tree.set(path, value);
}
