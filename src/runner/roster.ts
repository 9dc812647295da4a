import type { Clock } from "../base/clock.ts";
import { BanyanError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Mirror, MirrorBatch } from "../tree/mirror.ts";
import type { Tree } from "../tree/tree.ts";
import type { Path } from "../wire/path.ts";
import { firstFailure } from "./first-failure.ts";
import { type NodeEntry, toCandidate, toNodeEntry } from "./node-entry.ts";
import type { Candidate } from "./placement.ts";
import { isCertainlyGone, type ProcessIdentity } from "./process-identity.ts";

export interface RosterOptions {
  readonly tree: Tree;
  readonly clock: Clock;
  readonly log: Log;
  /** The observer's own name: it doesn't judge itself. */
  readonly self: string;
  readonly isGone?: ((process: ProcessIdentity) => boolean) | undefined;
  /** From 0 to below 1. */
  readonly random?: (() => number) | undefined;
}

/** One node as an observer sees it. */
export interface KnownNode {
  readonly name: string;
  readonly entry: NodeEntry;
  readonly revision: number;
}

/** What is known of the lease that an owner record names. */
export type LeaseStanding =
  /** It holds, as far as can be seen. */
  | { readonly type: "live" }
  /** It is over, as of that revision of the node's entry (0: there is none). */
  | { readonly type: "ended"; readonly node: Path; readonly revision: number };

/** Observers of one machine check this often whether the others' processes are still there. */
const PROCESS_CHECK_MS = 250;

/** Observers add up to this share of the length, so that they don't all write at once. */
const SPREAD = 0.05;

/**
 * The nodes there are, and the end of those that went away: a lease that was not seen to change for its
 * length, or whose process is certainly gone, is ended by one compare-and-set, which frees everything
 * that node held. Time counts on this process's clock from when a renewal was seen, and only while the
 * store is in contact: if nobody can renew, nobody is dead.
 */
export class Roster implements AsyncDisposable {
  /** Resolves with the error, if it can't follow the tree any more. */
  readonly failed: Promise<unknown>;
  readonly #options: RosterOptions;
  readonly #mirror: Mirror;
  readonly #seen = new Map<string, Seen>();
  readonly #listeners = new Set<() => void>();
  #subscription: Disposable | undefined;
  #check: Disposable | undefined;
  #closed = false;
  #stale: boolean;
  #staleSince = 0;
  #told = "";

  private constructor(mirror: Mirror, options: RosterOptions) {
    this.#mirror = mirror;
    this.failed = firstFailure([mirror]);
    this.#options = options;
    this.#stale = mirror.stale;
  }

  static async open(options: RosterOptions): Promise<Roster> {
    const mirror = await options.tree.mirror(options.tree.system.node);
    const roster = new Roster(mirror, options);
    for (const child of mirror.children()) if (typeof child === "string") roster.#look(child);
    roster.#subscription = mirror.subscribe((batch) => roster.#apply(batch));
    roster.#checkLater();
    return roster;
  }

  /** The nodes whose lease holds, as far as can be seen. */
  live(): KnownNode[] {
    const now: KnownNode[] = [];
    for (const [name, seen] of this.#seen) {
      if (seen.entry.ended === undefined) {
        now.push({ name, entry: seen.entry, revision: seen.revision });
      }
    }
    return now;
  }

  /** The live nodes, as placement wants them. */
  candidates(): Candidate[] {
    return this.live().map(({ name, entry }) => toCandidate(name, entry));
  }

  /**
   * Whether `lease` of the node `name` still holds. An end is told with the revision it was read at:
   * whoever acts on it makes that a condition of its write, so that a late mirror decides nothing.
   */
  standing(name: string, lease: string): LeaseStanding {
    const node = this.#path(name);
    const seen = this.#seen.get(name);
    if (seen !== undefined && seen.entry.id === lease && seen.entry.ended === undefined) {
      return { type: "live" };
    }
    return { type: "ended", node, revision: this.#mirror.entry(node)?.revision ?? 0 };
  }

  /** Calls `listener` when a node came, went, or changed in what placement looks at. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#subscription?.[Symbol.dispose]();
    this.#check?.[Symbol.dispose]();
    for (const seen of this.#seen.values()) seen.expiry?.[Symbol.dispose]();
    this.#listeners.clear();
    await this.#mirror.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #apply(batch: MirrorBatch): void {
    const back = this.#stale && !batch.stale;
    if (batch.stale !== this.#stale) this.#sayContact(batch.stale);
    this.#stale = batch.stale;
    for (const { path } of batch.changes) {
      const name = path[this.#mirror.path.length];
      if (typeof name === "string") this.#look(name);
    }
    // While the store was away nobody could renew: everyone gets the whole length again.
    if (back) for (const [name, seen] of this.#seen) this.#arm(name, seen);
    if (batch.stale) for (const seen of this.#seen.values()) seen.expiry?.[Symbol.dispose]();
    this.#tell();
  }

  #sayContact(lost: boolean): void {
    const { clock, log } = this.#options;
    if (lost) {
      this.#staleSince = clock.now();
      log.warn("the hub is out of reach; jobs go on for as long as the lease holds");
    } else {
      const seconds = (clock.now() - this.#staleSince) / 1000;
      log.info("the hub is back", { seconds: Math.round(seconds * 10) / 10 });
    }
  }

  /** Renewals that change nothing else are no news. */
  #tell(): void {
    const now = JSON.stringify(
      this.live().map(({ name, entry }) => {
        const { id, groups, types, labels, slots, running } = entry;
        return [name, id, groups, types, labels, running < slots];
      }),
    );
    if (now === this.#told) return;
    this.#told = now;
    for (const listener of this.#listeners) listener();
  }

  #look(name: string): void {
    const before = this.#seen.get(name);
    const stored = this.#mirror.entry(this.#path(name));
    const entry = toNodeEntry(stored?.value);
    if (stored === undefined || entry === undefined) {
      before?.expiry?.[Symbol.dispose]();
      this.#seen.delete(name);
      return;
    }
    if (before?.revision === stored.revision) return;
    before?.expiry?.[Symbol.dispose]();
    const seen: Seen = { entry, revision: stored.revision, expiry: undefined };
    this.#seen.set(name, seen);
    this.#arm(name, seen);
  }

  /** Counts the lease's length from now. */
  #arm(name: string, seen: Seen): void {
    const { clock, self, random = Math.random } = this.#options;
    seen.expiry?.[Symbol.dispose]();
    if (name === self || seen.entry.ended !== undefined || this.#stale || this.#closed) return;
    const waitMs = seen.entry.lease.length * 1000 * (1 + SPREAD * random());
    seen.expiry = clock.after(
      waitMs,
      () => void this.#declareEnded(name, seen, "it was not renewed"),
    );
  }

  #checkLater(): void {
    if (this.#closed) return;
    this.#check = this.#options.clock.after(PROCESS_CHECK_MS, () => {
      this.#checkProcesses();
      this.#checkLater();
    });
  }

  #checkProcesses(): void {
    const { self, isGone = isCertainlyGone } = this.#options;
    for (const [name, seen] of this.#seen) {
      const live = name !== self && seen.entry.ended === undefined;
      if (live && !seen.ending && isGone(seen.entry)) {
        void this.#declareEnded(name, seen, "its process is gone");
      }
    }
  }

  async #declareEnded(name: string, seen: Seen, why: string): Promise<void> {
    const { tree, clock, log, self } = this.#options;
    if (this.#closed || seen.ending || this.#seen.get(name) !== seen) return;
    seen.ending = true;
    const ended: NodeEntry = { ...seen.entry, ended: clock.wall() / 1000, ended_by: self };
    try {
      await tree.set(this.#path(name), ended, { ifRevision: seen.revision });
      log.info(`node ${name} is gone: ${why}`);
    } catch (error) {
      // It was renewed, or another observer was faster: the mirror tells which.
      if (!BanyanError.has(error, "ENGINE_CONFLICT")) {
        log.warn(`the lease of node ${name} could not be ended`, { error });
      }
    } finally {
      seen.ending = false;
      // Should the write have failed without a change that the mirror would tell, try again.
      if (this.#seen.get(name) === seen) this.#arm(name, seen);
    }
  }

  #path(name: string): Path {
    return this.#mirror.path.append(name);
  }
}

interface Seen {
  readonly entry: NodeEntry;
  readonly revision: number;
  expiry: Disposable | undefined;
  ending?: boolean;
}

/** What `banyan node ls` tells of a node. */
export interface NodeListing {
  readonly name: string;
  /** "live" as far as the store knows: an observer that saw no renewal in time ends a lease. */
  readonly state: "live" | "gone" | "closed";
  readonly groups: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly pid: number;
  readonly hostname: string;
  /** How many runs it has. */
  readonly jobs: number;
  /** When its lease was last written: seconds since 1970, by the store's clock. */
  readonly beat: number;
}

/** Every node that there was, by name. */
export async function listNodes(tree: Tree): Promise<NodeListing[]> {
  const nodes: NodeListing[] = [];
  for await (const stored of tree.walk(tree.system.node, { minDepth: 1, maxDepth: 1 })) {
    const entry = toNodeEntry(stored.value);
    const name = stored.path.name;
    if (entry === undefined || typeof name !== "string") continue;
    const { groups, labels, pid, hostname, running } = entry;
    const gone = entry.ended_by === undefined ? "closed" : "gone";
    const state = entry.ended === undefined ? "live" : gone;
    nodes.push({
      name,
      state,
      groups,
      labels,
      pid,
      hostname,
      jobs: running,
      beat: stored.time / 1000,
    });
  }
  return nodes;
}
