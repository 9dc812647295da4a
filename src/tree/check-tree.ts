import { kindOf } from "../base/kind-of.ts";
import type { Tree } from "./tree.ts";

/**
 * For functions that take a tree from callers. One of another copy of this package counts.
 *
 * @param of what needs it, as "JobRoot.open"
 * @throws TypeError for anything else
 */
export function checkTree(value: unknown, of: string): asserts value is Tree {
  if (isTree(value)) return;
  throw new TypeError(`${of} takes a Tree, as open() gives it, not ${kindOf(value)}`);
}

function isTree(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { engine, system, mirror } = value as Partial<Tree>;
  return engine !== undefined && system !== undefined && typeof mirror === "function";
}
