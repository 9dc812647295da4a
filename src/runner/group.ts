import type { Tree } from "../tree/tree.ts";
import { DEFAULT_GROUP } from "./job.ts";
import { checkName } from "./names.ts";
import { toNodeEntry } from "./node-entry.ts";

/** `.banyan.group.<name>`: who is expected to be in a group. */
export interface GroupEntry {
  /** How many members, or which. */
  readonly expect: number | readonly string[];
}

/** A group as it is. */
export interface GroupListing {
  readonly name: string;
  readonly expect: GroupEntry["expect"] | undefined;
  /** The nodes whose lease holds, as far as the store knows. */
  readonly live: readonly string[];
  /** Of the expected ones, by name; empty where only a number is expected. */
  readonly missing: readonly string[];
  /** Whether everyone expected is there. */
  readonly complete: boolean;
}

/** Every group that is expected, or has a live member. */
export async function listGroups(tree: Tree): Promise<GroupListing[]> {
  const live = await membersByGroup(tree);
  const expected = new Map<string, GroupEntry>();
  for await (const stored of tree.walk(tree.system.group, { minDepth: 1, maxDepth: 1 })) {
    const entry = toGroupEntry(stored.value);
    if (entry !== undefined) expected.set(String(stored.path.name), entry);
  }
  const names = new Set([DEFAULT_GROUP, ...expected.keys(), ...live.keys()]);
  return [...names].sort().map((name) => {
    const expect = expected.get(name)?.expect;
    return toListing(name, expect, live.get(name) ?? []);
  });
}

/**
 * Says whom a group expects: how many nodes, or which; `undefined`: nobody. Code that runs in it is told who is
 * missing.
 *
 * @returns whether anything is different now
 * @throws TypeError, RangeError for what can't be the name of a group or of a node, or their number
 */
export async function expectMembers(
  tree: Tree,
  group: string,
  expect: GroupEntry["expect"] | undefined,
): Promise<boolean> {
  checkName(group, "a group's name");
  const path = tree.system.group.append(group);
  if (expect === undefined) return (await tree.delete(path)).changed;
  if (Array.isArray(expect)) for (const name of expect) checkName(name, "a node's name");
  else if (!Number.isSafeInteger(expect) || Number(expect) < 0) {
    throw new RangeError(`a group expects a number of nodes, or a list of their names`);
  }
  return (await tree.set(path, { expect }, { idem: true })).changed;
}

/** The entry, if that is one. */
export function toGroupEntry(value: unknown): GroupEntry | undefined {
  if (typeof value !== "object" || value === null || !("expect" in value)) return undefined;
  const { expect } = value;
  if (typeof expect === "number") return { expect };
  if (!Array.isArray(expect)) return undefined;
  const names: readonly unknown[] = expect;
  return names.every((name) => typeof name === "string") ? { expect: names } : undefined;
}

async function membersByGroup(tree: Tree): Promise<Map<string, string[]>> {
  const members = new Map<string, string[]>();
  for await (const stored of tree.walk(tree.system.node, { minDepth: 1, maxDepth: 1 })) {
    const entry = toNodeEntry(stored.value);
    if (entry === undefined || entry.ended !== undefined) continue;
    for (const group of entry.groups) {
      members.set(group, [...(members.get(group) ?? []), String(stored.path.name)]);
    }
  }
  return members;
}

export function toListing(
  name: string,
  expect: GroupEntry["expect"] | undefined,
  live: readonly string[],
): GroupListing {
  const missing =
    typeof expect === "object" ? expect.filter((member) => !live.includes(member)) : [];
  const complete = typeof expect === "number" ? live.length >= expect : missing.length === 0;
  return { name, expect, live, missing, complete };
}
