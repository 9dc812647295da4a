import { BanyanError, RunnerError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import { randomId } from "../base/ids.ts";
import type { Log } from "../base/log.ts";
import { pause } from "../base/pause.ts";
import type { Tree } from "../tree/tree.ts";
import type { Path } from "../wire/path.ts";
import { Attempt, Held, type Incarnation, type Taken } from "./held-lease.ts";
import { type LeaseTimes, type NodeEntry, type NodeFacts, toNodeEntry } from "./node-entry.ts";
import { isCertainlyGone, ownProcess, type ProcessIdentity } from "./process-identity.ts";

export interface NodeLeaseOptions {
  readonly tree: Tree;
  readonly name: string;
  readonly times: LeaseTimes;
  readonly clock: Clock;
  readonly log: Log;
  /** What the next renewal publishes. */
  readonly facts: () => NodeFacts;
  readonly identity?: ProcessIdentity | undefined;
  readonly isGone?: ((process: ProcessIdentity) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Waits between attempts while the store is away, in milliseconds. */
const RETRY_MS = 100;

/** How much longer than the length a taker waits before it believes that a holder is gone. */
const OBSERVE_FACTOR = 1.05;

/**
 * A node's own lease on its name, by which it may run jobs. It is renewed by compare-and-set; time
 * counts from before a renewal was sent, and the lease is over `margin` before others may end it. When
 * it is over, a new incarnation begins as soon as the store is there: under the same id where nobody
 * has ended the lease meanwhile, so that nobody can have taken what belonged to it, or else a new one.
 */
export class NodeLease implements AsyncDisposable {
  readonly name: string;
  readonly #options: NodeLeaseOptions;
  readonly #path: Path;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<(held: Incarnation | undefined) => void>();
  /** The ids this process has used: a lease of one of them can be replaced at once. */
  readonly #ownIds = new Set<string>();
  #held: Held | undefined;
  /** The id that was held last. */
  #lastId: string | undefined;
  #keeping: Promise<void> = Promise.resolve();
  #trouble: "away" | "refuses" = "away";
  readonly #troubled = new Set<() => void>();

  private constructor(options: NodeLeaseOptions) {
    this.name = options.name;
    this.#options = options;
    this.#path = options.tree.system.node.append(options.name);
  }

  /**
   * Resolves when the lease is held. Where another of that name was alive, that takes until it is
   * known to be gone: at once if its process is, otherwise its whole length.
   *
   * @throws RunnerError `RUNNER_NAME_TAKEN` if a node of that name renews its lease
   */
  static async acquire(options: NodeLeaseOptions): Promise<NodeLease> {
    const lease = new NodeLease(options);
    lease.#begin(await lease.#take(options.signal ?? lease.#closing.signal));
    lease.#keeping = lease.#keep();
    return lease;
  }

  /** Why the lease could not be kept or taken last: the store is out of reach, or it refuses to. */
  get trouble(): "away" | "refuses" {
    return this.#trouble;
  }

  /** Calls `listener` when that is another than before. */
  onTrouble(listener: () => void): Disposable {
    this.#troubled.add(listener);
    return { [Symbol.dispose]: () => void this.#troubled.delete(listener) };
  }

  /** The present incarnation; `undefined` while there is none. */
  get held(): Incarnation | undefined {
    return this.#held;
  }

  /** Calls `listener` with what is held, or `undefined`, whenever that changes. Synchronously. */
  onChange(listener: (held: Incarnation | undefined) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Marks it as ended, so that nobody waits for it to expire. Idempotent. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) {
      await this.#keeping;
      return;
    }
    const last = this.#held;
    this.#closing.abort(new RunnerError("RUNNER_LEASE_LOST", "the node is closed"));
    this.#end();
    await this.#keeping;
    if (last !== undefined) await this.#markEnded(last);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #keep(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const held = this.#held;
      try {
        if (held === undefined) this.#begin(await this.#take(signal));
        else await this.#renewWhenDue(held);
      } catch (error) {
        if (signal.aborted) return;
        if (held?.over.aborted === true) continue;
        this.#note(error);
        this.#options.log.warn("the node's lease could not be kept or taken", { error });
        await this.#rest(RETRY_MS);
      }
    }
  }

  async #renewWhenDue(held: Held): Promise<void> {
    const { clock, times } = this.#options;
    const restMs = held.renewedAt + times.renewal * 1000 - clock.now();
    if (restMs > 0) await pause(restMs, { clock, signal: held.over });
    // After a freeze its own timer may not have had its turn yet, and would never get one here.
    if (held.isValid()) await this.#renew(held);
    else held.expire();
  }

  async #renew(held: Held): Promise<void> {
    const { clock, tree } = this.#options;
    // Before anything is sent: whatever the renewal takes on its way is the holder's loss.
    const beat = held.send(clock.now());
    using attempt = new Attempt(clock, this.#attemptMs, held.over);
    try {
      const { revision } = await tree.set(this.#path, this.#entry(held.id, beat), {
        ifRevision: held.revision,
        signal: attempt.signal,
      });
      held.renewed(beat, revision);
    } catch (error) {
      if (held.over.aborted) return;
      this.#note(error);
      // Somebody else's write is looked at at once; what is out of reach or refuses is given a moment.
      if (!BanyanError.has(error, "ENGINE_CONFLICT")) await this.#rest(RETRY_MS);
      if (BanyanError.has(error, "ENGINE_UNAVAILABLE")) return;
      await this.#readBack(held, attempt.signal.aborted);
    }
  }

  /**
   * After a renewal of unknown fate, or one that met another write: if the entry is still this
   * incarnation's, that was an earlier renewal whose answer was lost.
   */
  async #readBack(held: Held, timedOut: boolean): Promise<void> {
    using attempt = new Attempt(this.#options.clock, this.#attemptMs, held.over);
    const stored = await this.#options.tree.entry(this.#path, { signal: attempt.signal });
    const entry = toNodeEntry(stored?.value);
    if (stored !== undefined && entry?.id === held.id && entry.ended === undefined) {
      held.renewed(entry.beat, stored.revision);
      return;
    }
    this.#options.log.warn("another ended this node's lease", { node: this.name, timedOut });
    held.expire();
  }

  /** Holds the lease from here on, until its deadline passes or another ends it. */
  #begin(taken: Taken): void {
    const { clock, times } = this.#options;
    const held = new Held({ clock, times, taken, onOver: () => this.#lose(held) });
    this.#held = held;
    this.#lastId = held.id;
    this.#announce();
    // What it took to write the entry may already have been too long.
    held.arm();
  }

  #lose(held: Held): void {
    if (this.#held !== held) return;
    this.#end();
    if (!this.#closing.signal.aborted) {
      this.#options.log.warn("the node's lease is over", { node: this.name });
    }
  }

  #end(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    held.expire();
    this.#announce();
  }

  #announce(): void {
    for (const listener of this.#listeners) listener(this.#held);
  }

  /** Writes an entry under a new id, or under the last one where nobody has ended that. */
  async #take(signal: AbortSignal): Promise<Taken> {
    const { clock, tree } = this.#options;
    const fresh = randomId();
    this.#ownIds.add(fresh);
    for (;;) {
      const free = await this.#freePlace(signal);
      const id = free.resumes?.id ?? fresh;
      // Another number than any before, so that it is known which renewal a stored entry is.
      const beat = (free.resumes?.beat ?? -1) + 1;
      const { revision: ifRevision } = free;
      const sentAt = clock.now();
      try {
        const entry = this.#entry(id, beat);
        const { revision } = await tree.set(this.#path, entry, { ifRevision, signal });
        return { id, beat, revision, sentAt };
      } catch (error) {
        this.#note(error);
        // Also where the answer was lost: the next read finds the own id and goes on from there.
        if (!isUncertain(error)) throw error;
        await this.#rest(RETRY_MS);
      }
    }
  }

  /** The revision over which the name can be taken; waits for a holder that may be gone. */
  async #freePlace(signal: AbortSignal): Promise<FreePlace> {
    const { clock, tree, name } = this.#options;
    let seen: { revision: number; at: number } | undefined;
    for (;;) {
      const stored = await tree.entry(this.#path, { signal });
      const entry = toNodeEntry(stored?.value);
      if (stored === undefined) return { revision: 0 };
      const { revision } = stored;
      if (entry === undefined) return { revision };
      if (this.#isFree(entry)) return this.#freedBy(entry, revision);
      if (seen !== undefined && seen.revision !== stored.revision && seen.revision !== 0) {
        throw new RunnerError(
          "RUNNER_NAME_TAKEN",
          `a node called ${name} is alive: choose another name`,
          {
            details: { name, pid: entry.pid },
          },
        );
      }
      seen ??= { revision: stored.revision, at: clock.now() };
      const waitedMs = clock.now() - seen.at;
      const wholeMs = entry.lease.length * 1000 * OBSERVE_FACTOR;
      if (waitedMs >= wholeMs) return { revision };
      await pause(Math.min(entry.lease.renewal * 500, wholeMs - waitedMs), { clock, signal });
    }
  }

  #freedBy(entry: NodeEntry, revision: number): FreePlace {
    const resumes = entry.id === this.#lastId && entry.ended === undefined;
    return resumes ? { revision, resumes: entry } : { revision };
  }

  #isFree(entry: NodeEntry): boolean {
    const { isGone = isCertainlyGone } = this.#options;
    return entry.ended !== undefined || this.#ownIds.has(entry.id) || isGone(entry);
  }

  #note(error: unknown): void {
    const refuses =
      BanyanError.has(error, "ENGINE_FULL") || BanyanError.has(error, "ENGINE_DENIED");
    const trouble = refuses ? "refuses" : "away";
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    for (const listener of this.#troubled) listener();
  }

  async #markEnded(held: Held): Promise<void> {
    const { tree, clock, log } = this.#options;
    using attempt = new Attempt(clock, this.#attemptMs);
    const { signal } = attempt;
    try {
      // Read, because a renewal may have been on its way when it was called off.
      const stored = await tree.entry(this.#path, { signal });
      const entry = toNodeEntry(stored?.value);
      if (stored === undefined || entry?.id !== held.id || entry.ended !== undefined) return;
      const ended = { ...entry, ended: clock.wall() / 1000 };
      await tree.set(this.#path, ended, { ifRevision: stored.revision, signal });
    } catch (error) {
      log.debug("the node's lease could not be marked as ended: it will expire", { error });
    }
  }

  #entry(id: string, beat: number): NodeEntry {
    const { identity = ownProcess(), times, facts } = this.#options;
    return { id, ...identity, lease: times, ...facts(), beat };
  }

  /** Two attempts must fit between a renewal and the end. */
  get #attemptMs(): number {
    const { length, margin } = this.#options.times;
    return ((length - margin) * 1000) / 2;
  }

  async #rest(ms: number): Promise<void> {
    const { clock } = this.#options;
    await pause(ms, { clock, signal: this.#closing.signal }).catch(() => {});
  }
}

interface FreePlace {
  readonly revision: number;
  /** This node's own last entry, which nobody has ended. */
  readonly resumes?: NodeEntry;
}

function isUncertain(error: unknown): boolean {
  return (
    BanyanError.has(error, "ENGINE_CONFLICT") ||
    BanyanError.has(error, "ENGINE_AMBIGUOUS") ||
    BanyanError.has(error, "ENGINE_UNAVAILABLE")
  );
}
