import { groupOf, type JobEntry, type JobPlace } from "./job.ts";
import { unitHash } from "./unit-hash.ts";

/** Which kinds of place a node serves. */
export type PlaceType = "single" | "any" | "all";

/** What placement needs to know about a node. */
export interface Candidate {
  readonly name: string;
  readonly groups: readonly string[];
  readonly types: readonly PlaceType[];
  readonly labels: Readonly<Record<string, string>>;
  /** 0 idle, 1 fully busy. */
  readonly load: number;
  /** How many more runs it takes. */
  readonly free: number;
}

/** How long each rank waits behind the one before it, in milliseconds. */
const RANK_STEP_MS = 100;

/** Later ranks wait no longer than this many steps. */
const MAX_RANK = 20;

/** Whether a node may run a job at all. Free slots count only where another node could take it. */
export function isEligible(entry: JobEntry, node: Candidate): boolean {
  const { place } = entry;
  if (!node.types.includes(typeOf(place))) return false;
  if ("node" in place && place.node !== node.name) return false;
  const group = groupOf(place);
  if (group !== undefined && !node.groups.includes(group)) return false;
  return missingLabels(entry, node).length === 0;
}

/** Why a node may not run a job, for people; `undefined` where it may. */
export function whyNotEligible(entry: JobEntry, node: Candidate): string | undefined {
  if (isEligible(entry, node)) return undefined;
  const { place } = entry;
  if ("node" in place && place.node !== node.name) return `it is for node ${place.node}`;
  const group = groupOf(place);
  if (group !== undefined && !node.groups.includes(group)) return `not in group ${group}`;
  if (!node.types.includes(typeOf(place))) return `does not serve ${typeOf(place)}-node jobs`;
  return `lacks ${missingLabels(entry, node).join(", ")}`;
}

/**
 * The eligible nodes with room, best first, by rendezvous hash weighted with what each has to spare:
 * without a coordinator all come to the same order, a node that joins or leaves moves no other job,
 * and an idle node gets more of them. (Thaler and Ravishankar 1998; the weighting is Schindelhauer and
 * Schomaker's logarithmic method.)
 */
export function rankNodes(
  job: string,
  entry: JobEntry,
  nodes: readonly Candidate[],
): readonly string[] {
  return nodes
    .filter((node) => isEligible(entry, node) && node.free > 0)
    .map((node) => ({ name: node.name, score: score(job, node) }))
    .sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1))
    .map(({ name }) => name);
}

/** How long a node lets better ones go first. @param random from 0 to below 1 */
export function rankDelayMs(rank: number, random: number): number {
  const steps = Math.min(rank, MAX_RANK);
  // Between half a step and one and a half, so that two nodes that disagree on the order don't collide.
  return steps === 0 ? 0 : (steps + random - 0.5) * RANK_STEP_MS;
}

function missingLabels(entry: JobEntry, node: Candidate): readonly string[] {
  return Object.entries(entry.labels)
    .filter(([label, value]) => !Object.hasOwn(node.labels, label) || node.labels[label] !== value)
    .map(([label, value]) => (value === "" ? label : `${label}=${value}`));
}

function typeOf(place: JobPlace): PlaceType {
  if ("any" in place) return "any";
  return "all" in place ? "all" : "single";
}

function score(job: string, node: Candidate): number {
  const spare = Math.max(0.05, 1 - node.load);
  // Neither 0 nor 1, whose logarithms have no use here.
  const draw = (unitHash(`${job}\n${node.name}`) * 2 ** 32 + 0.5) / (2 ** 32 + 1);
  return -spare / Math.log(draw);
}
