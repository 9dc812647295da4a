import type { Tree } from "../tree/tree.ts";
import { ANY_SLOT, type JobPlace } from "./job.ts";
import { toOwnerRecord } from "./ownership.ts";
import type { Roster } from "./roster.ts";
import type { SlotPath } from "./slot-mirror.ts";
import { toJobState } from "./stored-state.ts";

/**
 * Whether a job that was given another place still runs where it ran before: it is not to be started in
 * this slot before that has ended, or its node is gone.
 */
export async function runsInOldPlace(
  at: SlotPath,
  place: JobPlace,
  { tree, roster }: { readonly tree: Tree; readonly roster: Roster },
): Promise<boolean> {
  const nodes = roster.candidates().map(({ name }) => name);
  // Of a job for all nodes, each has its own by right.
  const slots = "all" in place ? [ANY_SLOT] : [ANY_SLOT, ...nodes];
  const others = slots.filter((slot) => slot !== at.slot);
  const held = await Promise.all(others.map((slot) => isHeld({ ...at, slot }, tree, roster)));
  return held.includes(true);
}

async function isHeld({ slot, path }: SlotPath, tree: Tree, roster: Roster): Promise<boolean> {
  const at = [slot, ...path];
  const stored = await tree.entry(tree.system.owner.concat(at));
  const owner = toOwnerRecord(stored?.value);
  if (owner === undefined || owner.lease === null) return false;
  if (roster.standing(owner.node, owner.lease).type !== "live") return false;
  const state = toJobState(await tree.get(tree.system.state.concat(at)));
  // It may be owned beyond the end of its run. Before its beginning, it may begin at any moment.
  return state?.token !== stored?.revision || state?.stopped === null;
}
