import { kindOf } from "../base/kind-of.ts";
import { checkOptions, type OptionNames } from "../base/options.ts";
import { checkName } from "../runner/names.ts";
import type { LeaseTimes } from "../runner/node-entry.ts";
import type { PlaceType } from "../runner/placement.ts";
import { checkTree } from "../tree/check-tree.ts";
import type { NodeOptions } from "./node.ts";

const OPTIONS: OptionNames<NodeOptions> = {
  tree: true,
  name: true,
  groups: true,
  types: true,
  labels: true,
  slots: true,
  lease: true,
  config: true,
  resolveFrom: true,
  memoryMb: true,
  lane: true,
  startSpacingMs: true,
  keepRuns: true,
  onStuck: true,
  clock: true,
  log: true,
  signal: true,
};

const LEASE: OptionNames<LeaseTimes> = { length: true, renewal: true, margin: true };

const LANE: OptionNames<NonNullable<NodeOptions["lane"]>> = {
  entry: true,
  channel: true,
  stallMs: true,
  startMs: true,
  showFrame: true,
  name: true,
};

const TYPES: readonly PlaceType[] = ["single", "any", "all"];

/** @throws TypeError, RangeError for options that no node can have, before anything is opened */
export function checkNode(options: NodeOptions): void {
  checkOptions(options, OPTIONS, "runNode");
  const { tree, name, groups = [], types = [], labels = {}, lease, lane } = options;
  checkTree(tree, "runNode");
  checkName(name, "a node's name");
  for (const group of listOf(groups, "groups")) checkName(group, "a group's name");
  for (const type of listOf(types, "types")) {
    if (TYPES.some((known) => known === type)) continue;
    throw new TypeError(`a node's types are among ${TYPES.join(", ")}, not ${kindOf(type)}`);
  }
  checkLabels(labels);
  if (lease !== undefined) checkLease(lease);
  if (lane !== undefined) checkOptions(lane, LANE, "runNode's lane");
  checkNumbers(options);
}

function checkNumbers({
  memoryMb = 1,
  keepRuns = 0,
  slots = 0,
  startSpacingMs = 0,
}: NodeOptions): void {
  if (!(memoryMb > 0)) throw new RangeError(`memoryMb is more than 0, not ${kindOf(memoryMb)}`);
  for (const [what, number] of Object.entries({ keepRuns, slots })) {
    if (Number.isSafeInteger(number) && number >= 0) continue;
    throw new RangeError(`a node's ${what} is a whole number from 0, not ${kindOf(number)}`);
  }
  if (!(startSpacingMs >= 0)) {
    throw new RangeError(`a node's startSpacingMs is from 0, not ${kindOf(startSpacingMs)}`);
  }
}

function checkLease(lease: Partial<LeaseTimes>): void {
  checkOptions(lease, LEASE, "runNode's lease");
  for (const [what, seconds = 1] of Object.entries(lease)) {
    if (Number.isFinite(seconds) && seconds > 0) continue;
    throw new RangeError(`a lease's ${what} is seconds above 0, not ${kindOf(seconds)}`);
  }
}

function checkLabels(labels: unknown): void {
  if (typeof labels !== "object" || labels === null || Array.isArray(labels)) {
    throw new TypeError(`a node's labels are an object of texts, not ${kindOf(labels)}`);
  }
  for (const [label, value] of Object.entries(labels)) {
    if (typeof value === "string") continue;
    throw new TypeError(`the label ${label} of a node is text, not ${kindOf(value)}`);
  }
}

function listOf(list: unknown, what: string): readonly unknown[] {
  if (Array.isArray(list)) return list;
  throw new TypeError(`a node's ${what} are a list, not ${kindOf(list)}`);
}
