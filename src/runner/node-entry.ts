import type { Candidate, PlaceType } from "./placement.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** The figures of a node lease, in seconds. */
export interface LeaseTimes {
  /** Others may end the lease when it was not renewed for this long. */
  readonly length: number;
  /** How often it is renewed. */
  readonly renewal: number;
  /** The holder stops this much earlier than others may begin: for clocks that run unevenly. */
  readonly margin: number;
}

/** What suits a hub: it is away for a second at most when it restarts. */
export const DEFAULT_LEASE: LeaseTimes = { length: 5, renewal: 1, margin: 0.5 };

/** `.banyan.node.<name>`: a node's lease, and what others need to know of it. */
export interface NodeEntry extends ProcessIdentity {
  /** One incarnation of the node: it never comes back once it has ended. */
  readonly id: string;
  readonly lease: LeaseTimes;
  readonly groups: readonly string[];
  readonly types: readonly PlaceType[];
  readonly labels: Readonly<Record<string, string>>;
  /** The machine's name, for people. */
  readonly hostname: string;
  /** 0 idle, 1 fully busy. */
  readonly load: number;
  /** How many runs it takes at once. */
  readonly slots: number;
  /** How many runs it has. */
  readonly running: number;
  /** Counts renewals, so that each differs from the one before. */
  readonly beat: number;
  /** When it was closed, or given up for dead: seconds since 1970, for people. */
  readonly ended?: number;
  /** Who ended it, where it did not do so itself. */
  readonly ended_by?: string;
}

/** What a node says of itself beside its lease. */
export type NodeFacts = Pick<
  NodeEntry,
  "groups" | "types" | "labels" | "hostname" | "load" | "slots" | "running"
>;

/** The entry, if that is one; anything else in its place is treated as no node. */
export function toNodeEntry(value: unknown): NodeEntry | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const entry = value as Partial<NodeEntry>;
  const sound =
    typeof entry.id === "string" &&
    isLease(entry.lease) &&
    [entry.pid, entry.start, entry.load, entry.slots, entry.running, entry.beat].every(isFinite) &&
    typeof entry.host === "string" &&
    typeof entry.hostname === "string" &&
    isLabels(entry.labels) &&
    [entry.groups, entry.types].every(isStrings);
  return sound ? (value as NodeEntry) : undefined;
}

export function toCandidate(name: string, entry: NodeEntry): Candidate {
  const { groups, types, labels, load, slots, running } = entry;
  return { name, groups, types, labels, load, free: slots - running };
}

function isLease(value: unknown): value is LeaseTimes {
  if (typeof value !== "object" || value === null) return false;
  const { length, renewal, margin } = value as Partial<LeaseTimes>;
  return [length, renewal, margin].every(isFinite);
}

function isLabels(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).every((label) => typeof label === "string");
}

function isFinite(value: unknown): value is number {
  return Number.isFinite(value);
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
