import type { Clock } from "../base/clock.ts";
import type { Tree } from "../tree/tree.ts";
import { deniedJobs } from "./denied-jobs.ts";
import type { Path } from "../wire/path.ts";
import { formatPath } from "../wire/path-text.ts";
import { ANY_SLOT, type JobEntry, type JobState } from "./job.ts";
import { toRequest, requestRoot } from "./job-views.ts";
import type { SlotState } from "./job-listing.ts";
import { toCandidate, toNodeEntry } from "./node-entry.ts";
import { type Candidate, isEligible, whyNotEligible } from "./placement.ts";
import { type PendingRequest, planJob } from "./schedule.ts";
import { Sighting } from "./sighting.ts";

export interface WhyInput {
  readonly path: Path;
  readonly entry: JobEntry;
  /** Of the entry. */
  readonly revision: number;
  readonly states: readonly SlotState[];
  readonly clock: Clock;
}

/** Why a job runs or does not, by slot, in words. */
export async function whyJob(
  tree: Tree,
  input: WhyInput,
): Promise<Readonly<Record<string, string>>> {
  const { entry, states } = input;
  // Seconds since 1970.
  const now = input.clock.wall() / 1000;
  const nodes = await liveNodes(tree);
  const eligible = nodes.filter((node) => isEligible(entry, node));
  const codeError = await whyNoCode(tree, entry.code);
  const denied = (await deniedJobs(tree, input.path)).get(formatPath(input.path));
  const request = await readRequest(tree, input.path);
  const named = "any" in entry.place ? [] : eligible.map(({ name }) => name);
  // Also where a run began whose node is not seen any more.
  const begun = states.filter(({ slot, state }) => slot !== ANY_SLOT && state.stopped === null);
  const left = "any" in entry.place ? [] : begun.map(({ slot }) => slot);
  const seen = [...new Set([...named, ...left])];
  const slots = seen.length > 0 ? seen : [ANY_SLOT];
  return Object.fromEntries(
    slots.map((slot) => {
      const stored = states.find((one) => one.slot === slot)?.state;
      const state = new Sighting().of(stored, input.clock, input.revision);
      if (state?.stopped === null) return [slot, whyRunning(state, entry, nodes, codeError)];
      // The key is the nodes' business: whether it changed can't be told from here.
      const codeKey = state?.code ?? "?";
      const plan = planJob({ entry, state, request, codeKey, now });
      if (plan.type !== "start") return [slot, plan.why];
      // Only a job that would start misses its code or a node.
      if (codeError !== undefined) return [slot, codeError];
      if (eligible.length === 0) return [slot, noneEligible(entry, nodes)];
      if (denied !== undefined) return [slot, denied];
      const inSeconds = plan.at - now;
      return [slot, inSeconds <= 0 ? plan.why : `${plan.why}, in ${inSeconds.toFixed(1)} s`];
    }),
  );
}

/** The nodes whose lease holds, as far as the store knows. */
export async function liveNodes(tree: Tree): Promise<Candidate[]> {
  const nodes: Candidate[] = [];
  for await (const stored of tree.walk(tree.system.node, { minDepth: 1, maxDepth: 1 })) {
    const entry = toNodeEntry(stored.value);
    if (entry === undefined || entry.ended !== undefined) continue;
    nodes.push(toCandidate(String(stored.path.name), entry));
  }
  return nodes;
}

function noneEligible(entry: JobEntry, nodes: readonly Candidate[]): string {
  const { place } = entry;
  if ("node" in place && nodes.every(({ name }) => name !== place.node)) {
    return `it is for node ${place.node}, which is not there`;
  }
  if (nodes.length === 0) return "no node is alive";
  // Of a job for one node, the others have nothing to say.
  const asked = nodes.filter(({ name }) => !("node" in place) || name === place.node);
  const reasons = asked.map(
    (node) => `${node.name}: ${whyNotEligible(entry, node) ?? "may run it"}`,
  );
  return `no eligible node (${reasons.join("; ")})`;
}

async function whyNoCode(tree: Tree, code: Path): Promise<string | undefined> {
  const name = formatPath(code);
  if ((await tree.entry(tree.system.proc.concat(code))) === undefined)
    return `there is no code ${name}`;
  const record = await tree.errors.get({ subsystem: "compile", path: ["proc", ...code] });
  const open = record !== undefined && record.resolved === undefined;
  return open ? `its code ${name} is broken: ${record.message}` : undefined;
}

async function readRequest(tree: Tree, path: Path): Promise<PendingRequest | undefined> {
  const stored = await tree.entry(requestRoot(tree).concat(path));
  const request = toRequest(stored?.value);
  if (stored === undefined || request === undefined) return undefined;
  return { ...request, revision: stored.revision };
}

function whyRunning(
  state: JobState,
  { partition }: JobEntry,
  nodes: readonly Candidate[],
  codeError: string | undefined,
): string {
  const alive = nodes.some(({ name }) => name === state.node);
  const where = `${state.node}, since ${new Date(state.started * 1000).toISOString()}`;
  if (!alive && partition === "continue") {
    return `it runs on ${where}, if that node is only cut off; here it is gone`;
  }
  if (!alive) return `it ran on ${where}, and that node is gone`;
  const old = codeError === undefined ? "" : `; it goes on with the code it has: ${codeError}`;
  return `it runs on ${where}${old}`;
}
