import { abortable, type AbortOptions } from "../base/abort.ts";
import { deferred } from "../base/deferred.ts";
import { BanyanError, TreeError } from "../base/errors.ts";
import { Scope } from "../base/scope.ts";
import type { Mirror } from "../tree/mirror.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";
import { Path } from "../wire/path.ts";
import { deniedText } from "./denied-jobs.ts";
import { type JobListing, listingOf, type SlotState } from "./job-listing.ts";
import { toNodeEntry } from "./node-entry.ts";
import { toJobState } from "./stored-state.ts";

/** One job as it is listed now; `undefined`: it is gone. */
export interface JobListEvent {
  readonly path: Path;
  readonly listing: JobListing | undefined;
}

interface Mirrors {
  readonly jobs: Mirror;
  readonly states: Mirror;
  readonly nodes: Mirror;
  /** Undefined for who may not read what went wrong. */
  readonly errors: Mirror | undefined;
}

/**
 * The jobs at and below a path, as `list()` tells them: all of them at once, perhaps none, then those that
 * became different. A reader that lags is told how they are by then, and not what they were between.
 */
export async function* watchJobList(
  tree: Tree,
  below: Path,
  { signal }: AbortOptions,
): AsyncGenerator<readonly JobListEvent[], void> {
  await using scope = new Scope({ onError: () => {} });
  const mirrors = await openMirrors(tree, below, scope, signal);
  const table = new JobTable(tree, mirrors, below);
  void ended(mirrors).then((error) => table.fail(error));
  yield table.changes();
  for (;;) {
    await abortable(table.changed(), signal);
    const changes = table.changes();
    if (changes.length > 0) yield changes;
  }
}

/** What was told of each job, and which ones may be different by now. */
class JobTable {
  readonly #tree: Tree;
  readonly #mirrors: Mirrors;
  readonly #below: Path;
  readonly #told = new Map<string, { readonly path: Path; readonly text: string }>();
  /** Undefined: all. */
  #touched: Map<string, Path> | undefined;
  #change = deferred<void>();
  #failure: { readonly error: unknown } | undefined;

  constructor(tree: Tree, mirrors: Mirrors, below: Path) {
    this.#tree = tree;
    this.#mirrors = mirrors;
    this.#below = below;
    const { jobs, states, nodes, errors } = mirrors;
    // Behind the root of the system's jobs, and behind the slot, which follows that of its states.
    this.#follow(jobs, tree.system.job.length);
    this.#follow(states, tree.system.state.length + 1);
    if (errors !== undefined) this.#follow(errors, tree.system.error.length + 1);
    let alive = namesOf(nodes);
    nodes.subscribe(() => {
      // Leases are renewed all the time; who lives changes rarely.
      const now = namesOf(nodes);
      if (now.size === alive.size && [...now].every((name) => alive.has(name))) return;
      alive = now;
      this.#touch();
    });
  }

  /** Resolves when something may be different from what was told. @throws what ended it */
  async changed(): Promise<void> {
    if (this.#touched?.size === 0) await this.#change.promise;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Nothing more is heard. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#touch();
  }

  /** What is different from what was told. */
  changes(): JobListEvent[] {
    const paths = this.#touched ?? this.#all();
    this.#touched = new Map();
    this.#change = deferred();
    const alive = namesOf(this.#mirrors.nodes);
    return [...paths].flatMap(([name, path]) => {
      const listing = this.#listing(path, alive);
      const text = listing === undefined ? undefined : JSON.stringify({ ...listing, path: name });
      if (text === this.#told.get(name)?.text) return [];
      if (text === undefined) this.#told.delete(name);
      else this.#told.set(name, { path, text });
      return [{ path, listing }];
    });
  }

  #all(): Map<string, Path> {
    const all = new Map<string, Path>();
    const root = this.#tree.system.job.length;
    for (const { path } of this.#mirrors.jobs.entries()) {
      const job = Path.fromElements(path.slice(root));
      all.set(formatPath(job), job);
    }
    for (const [name, { path }] of this.#told) all.set(name, path);
    return all;
  }

  #listing(path: Path, alive: ReadonlySet<string>): JobListing | undefined {
    const { jobs, states, errors } = this.#mirrors;
    const { system } = this.#tree;
    const stored = jobs.entry(system.job.concat(path));
    if (stored === undefined) return undefined;
    const found: SlotState[] = [];
    for (const slot of states.children()) {
      if (typeof slot !== "string") continue;
      const state = toJobState(states.entry(system.state.concat([slot, ...path]))?.value);
      if (state !== undefined) found.push({ slot, state });
    }
    const denied = deniedText(errors?.entry(system.error.concat(["job", ...path]))?.value);
    return listingOf(path, stored, { states: found, alive, denied });
  }

  #follow(mirror: Mirror, skip: number): void {
    mirror.subscribe(({ changes }) => {
      for (const change of changes) {
        const path = Path.fromElements(change.path.slice(skip));
        if (this.#below.contains(path)) this.#touched?.set(formatPath(path), path);
      }
      if (this.#touched?.size !== 0) this.#change.resolve();
    });
  }

  /** All of it may be different. */
  #touch(): void {
    this.#touched = undefined;
    this.#change.resolve();
  }
}

async function openMirrors(
  tree: Tree,
  below: Path,
  scope: Scope,
  signal: AbortSignal | undefined,
): Promise<Mirrors> {
  const { job, state, node, error } = tree.system;
  const open = async (path: Path): Promise<Mirror> =>
    scope.use(await tree.mirror(path, { signal }));
  const errors = await open(error.append("job").concat(below)).catch((refusal: unknown) => {
    if (BanyanError.has(refusal, "ENGINE_DENIED")) return undefined;
    throw refusal;
  });
  return {
    jobs: await open(job.concat(below)),
    states: await open(state),
    nodes: await open(node),
    errors,
  };
}

/** Resolves when one of the mirrors tells nothing more, with the reason. */
async function ended({ jobs, states, nodes, errors }: Mirrors): Promise<unknown> {
  const mirrors = [jobs, states, nodes, ...(errors === undefined ? [] : [errors])];
  const error = await Promise.race(mirrors.map(({ closed }) => closed));
  return error ?? new TreeError("TREE_CLOSED", "the tree was closed");
}

function namesOf(nodes: Mirror): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { path, value } of nodes.entries()) {
    const entry = toNodeEntry(value);
    if (entry !== undefined && entry.ended === undefined) names.add(String(path.name));
  }
  return names;
}
