import { kindOf } from "../base/kind-of.ts";
import type { OptionNames } from "../base/options.ts";
import type { Path } from "../wire/path.ts";

/** Which entries of a subtree, by how many elements they lie below its prefix. */
export interface DepthOptions {
  /** Entries nearer than this are left out; 1 leaves out the prefix's own. Default 0. */
  minDepth?: number | undefined;
  /** Entries further down are left out; 1 gives the prefix and its children. Default: all. */
  maxDepth?: number | undefined;
}

export const DEPTH_OPTIONS: OptionNames<DepthOptions> = { minDepth: true, maxDepth: true };

/** @throws RangeError for a depth that is no whole number from 0 (`Infinity` is one for the greatest),
 * and for a pair between which nothing lies */
export function checkDepth(options: DepthOptions): void {
  const { minDepth = 0, maxDepth = Infinity } = options;
  if (!Number.isInteger(minDepth) || minDepth < 0) {
    throw new RangeError(`minDepth is a whole number from 0, not ${kindOf(minDepth)}`);
  }
  if (maxDepth !== Infinity && (!Number.isInteger(maxDepth) || maxDepth < 0)) {
    throw new RangeError(`maxDepth is a whole number from 0, not ${kindOf(maxDepth)}`);
  }
  if (minDepth > maxDepth) {
    throw new RangeError(`no entry lies between minDepth ${minDepth} and maxDepth ${maxDepth}`);
  }
}

/** Whether `path`, which lies in the subtree of `prefix`, is asked for. */
export function isWithinDepth(path: Path, prefix: Path, options: DepthOptions): boolean {
  const depth = path.length - prefix.length;
  return depth >= (options.minDepth ?? 0) && depth <= (options.maxDepth ?? Infinity);
}
