import type { TreeEntry } from "../tree/entry.ts";
import type { Path } from "../wire/path.ts";
import type { JobEntry, JobPlace, JobState } from "./job.ts";
import { parseJob } from "./parse-job.ts";

/** A job's state in one slot: "-" for a job that any node may run, otherwise a node's name. */
export interface SlotState {
  readonly slot: string;
  readonly state: JobState;
}

/** One line about a job. */
export interface JobListing {
  readonly path: Path;
  readonly code: Path | undefined;
  /** As "any default" or "node n1". */
  readonly place: string;
  readonly state:
    | "new"
    | "running"
    | "failing"
    | "interrupted"
    /** Who set it may not run its code any more. */
    | "denied"
    | "stopped"
    | "disabled"
    | "bad entry";
  /** Where it runs, or ran last. */
  readonly nodes: readonly string[];
  /** Seconds since 1970. */
  readonly started: number | undefined;
  readonly comment: string | undefined;
}

/** What is known of a job beside its entry. */
export interface ListingFacts {
  readonly states: readonly SlotState[];
  /** The names of the nodes whose lease holds: what a dead one left running does not run. */
  readonly alive: ReadonlySet<string>;
  /** Why it was not started, where who set it may not run it. */
  readonly denied: string | undefined;
}

export function listingOf(path: Path, stored: TreeEntry, facts: ListingFacts): JobListing {
  const { states, alive, denied } = facts;
  const running = states.filter(({ state }) => state.stopped === null && alive.has(state.node));
  const shown = running.length > 0 ? running : states;
  const started =
    shown.length > 0 ? Math.max(...shown.map(({ state }) => state.started)) : undefined;
  const common = { path, nodes: shown.map(({ state }) => state.node), started };
  let entry: JobEntry;
  try {
    entry = parseJob(stored.value);
  } catch (error) {
    const comment = error instanceof Error ? error.message : String(error);
    return { ...common, code: undefined, place: "", state: "bad entry", comment };
  }
  const isDenied = denied !== undefined && entry.enabled && running.length === 0;
  const said = shown.map(({ state }) => state.comment).find((text) => text !== undefined);
  const state = isDenied ? "denied" : stateText(entry, states);
  return {
    ...common,
    code: entry.code,
    place: placeText(entry.place),
    state: running.length > 0 ? "running" : state,
    comment: isDenied ? denied : said,
  };
}

function placeText(place: JobPlace): string {
  if ("any" in place) return `any ${place.any}`;
  return "all" in place ? `all ${place.all}` : `node ${place.node}`;
}

function stateText(entry: JobEntry, states: readonly SlotState[]): JobListing["state"] {
  if (!entry.enabled) return "disabled";
  if (states.length === 0) return "new";
  if (states.some(({ state }) => state.backoff > 0)) return "failing";
  const cut = states.some(({ state }) => state.again !== undefined || state.stopped === null);
  return cut ? "interrupted" : "stopped";
}
