import { BanyanError } from "../base/errors.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { randomId } from "../base/ids.ts";
import { pause } from "../base/pause.ts";
import type { Hold, HoldPhase } from "./hold.ts";
import type { JobState, Run, Superseded } from "./job.ts";
import type { RunParts } from "./job-run.ts";
import type { Incarnation } from "./held-lease.ts";
import type { Fence, Ownership } from "./ownership.ts";
import type { SlotMirror, SlotPath } from "./slot-mirror.ts";
import { toJobState } from "./stored-state.ts";

/** What is needed to own a job. */
export interface OwnedJobParts extends RunParts {
  readonly ownership: Ownership;
  readonly states: SlotMirror;
  /** Aborts when the runner closes for good. */
  readonly signal: AbortSignal;
}

/** Between tries of a write that has to succeed. */
const RETRY_MS = 200;

/**
 * A job under one token, from its claim until it is given back. All that is kept of the job is written
 * through this, under the token's fence, one write after the other.
 *
 * While the node is cut off, a job that goes on is *detached*: nothing is written, and what has to be
 * waits. When the node is back it takes the job up again, or learns who has it.
 */
export class OwnedJob implements Hold {
  readonly at: SlotPath;
  readonly token: number;
  /** Has another revision after the job was taken up again under a new lease. */
  readonly fence: Fence & { revision: number };
  /** Whether its run goes on while the node is cut off. Not before there is one. */
  continues = false;
  #incarnation: Incarnation;
  /** While detached; resolves when that is over. */
  #contact: Deferred<void> | undefined;
  #superseded: Superseded | undefined;
  #givenUp = false;
  readonly #parts: OwnedJobParts;
  #state: JobState | undefined;
  #revision = 0;
  /** The writes of the state, one behind the other. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    at: SlotPath,
    claim: { readonly token: number; readonly incarnation: Incarnation },
    parts: OwnedJobParts,
  ) {
    this.at = at;
    this.token = claim.token;
    this.#incarnation = claim.incarnation;
    this.fence = parts.ownership.fence(at, claim.token);
    this.#parts = parts;
  }

  /** `undefined` if another was faster. */
  static async claim(
    at: SlotPath,
    incarnation: Incarnation,
    parts: OwnedJobParts,
  ): Promise<OwnedJob | undefined> {
    const { ownership, tree, states, signal } = parts;
    const token = await ownership.claim(at, incarnation, signal);
    if (token === undefined) return undefined;
    const job = new OwnedJob(at, { token, incarnation }, parts);
    // As it stays: from the claim on, nobody else's write is accepted.
    const stored = await tree.entry(states.at(at), { signal });
    job.#state = toJobState(stored?.value);
    job.#revision = stored?.revision ?? 0;
    return job;
  }

  get state(): JobState | undefined {
    return this.#state;
  }

  /** Of the state's entry: tells a mirror that is behind. */
  get revision(): number {
    return this.#revision;
  }

  get phase(): HoldPhase {
    if (this.#superseded !== undefined) return "superseded";
    if (this.#givenUp) return "over";
    if (this.#incarnation.isValid()) return "held";
    return this.continues ? "detached" : "over";
  }

  get superseded(): Superseded | undefined {
    return this.#superseded;
  }

  async settled(): Promise<HoldPhase> {
    const { clock, signal } = this.#parts;
    while (this.phase === "detached" && !signal.aborted) {
      // The lease's end may not have been told yet.
      if (this.#contact !== undefined) await this.#contact.promise;
      else await pause(RETRY_MS, { clock, signal }).catch(() => {});
    }
    return this.phase;
  }

  /** The node's lease is over, and the run goes on. */
  detach(): void {
    this.#contact ??= deferred();
  }

  /** The run does not wait for the tree any more: what it has to say is not said. */
  giveUp(): void {
    this.#givenUp = true;
    this.#end();
  }

  /** Takes the job up again under the node's next lease, or learns who has it instead. */
  async reattach(incarnation: Incarnation): Promise<void> {
    const { ownership, clock, signal } = this.#parts;
    const claim = randomId();
    while (this.phase === "detached" && incarnation.isValid()) {
      try {
        const mine = { revision: this.fence.revision, lease: incarnation.id, claim };
        const found = await ownership.resume(this.at, mine, signal);
        if (!("revision" in found)) this.#superseded = await this.#successor(found.other);
        else {
          this.fence.revision = found.revision;
          this.#incarnation = incarnation;
        }
        this.#end();
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error) && !BanyanError.has(error, "ENGINE_CONFLICT")) throw error;
        await pause(RETRY_MS, { clock, signal }).catch(() => {});
      }
    }
  }

  /** Takes it as the state; a write takes it along. */
  keepState(state: JobState): void {
    this.#state = state;
  }

  /** @throws EngineError `ENGINE_CONDITION` if the job has another owner */
  setState(state: JobState): Promise<void> {
    this.#state = state;
    const write = this.#writeBehind(this.#writing);
    this.#writing = write.catch(() => {});
    return write;
  }

  writeRun(run: Run): Promise<void> {
    return this.#parts.runs.write(this.at.slot, run, this.fence);
  }

  /**
   * Does `write` until it succeeds; false where this node has lost the job meanwhile. `write` may be
   * repeated. @throws what trying again would not mend
   */
  async persist(write: () => Promise<unknown>): Promise<boolean> {
    const { clock, signal } = this.#parts;
    for (;;) {
      // Not begun before: what is under way when the job is taken up again would be refused.
      if (this.phase === "detached" && (await this.settled()) !== "held") return false;
      const { revision } = this.fence;
      try {
        await write();
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        if (BanyanError.has(error, "ENGINE_CONDITION")) {
          // Under way when the node was cut off, and refused because the job was taken up again.
          const phase = await this.settled();
          if (phase !== "held" || this.fence.revision === revision) return false;
          continue;
        }
        if (!isPassing(error)) throw error;
        await pause(RETRY_MS, { clock, signal }).catch(() => {});
      }
      if ((await this.settled()) !== "held") return false;
    }
  }

  async release(): Promise<void> {
    await this.persist(() =>
      this.#parts.ownership.release(this.at, this.fence.revision, this.#parts.signal),
    );
  }

  /** Deletes everything that is kept of a job which is no more. */
  async removeTraces(): Promise<void> {
    const { tree, states, runs, ownership } = this.#parts;
    this.#state = undefined;
    await this.#writing;
    await this.persist(async () => {
      const gone = await tree.delete(states.at(this.at), { condition: this.fence });
      this.#revision = gone.revision;
      await runs.prune(this.at, 0);
      await ownership.forget(this.at, this.fence.revision);
    });
  }

  #end(): void {
    this.#contact?.resolve();
    this.#contact = undefined;
  }

  async #successor(
    owner: { readonly node: string; readonly revision: number } | undefined,
  ): Promise<Superseded> {
    const { tree, states, signal } = this.#parts;
    const state = toJobState((await tree.entry(states.at(this.at), { signal }))?.value);
    // The record is written again when the job is given back: the state has the run.
    if (state !== undefined && state.token > this.token) {
      return { by: state.node, token: state.token };
    }
    return { by: owner?.node, token: owner?.revision ?? this.token };
  }

  async #writeBehind(earlier: Promise<void>): Promise<void> {
    await earlier;
    const { tree, states, signal } = this.#parts;
    // What was set meanwhile is in this write already.
    const state = this.#state;
    if (state === undefined) return;
    const path = states.at(this.at);
    const { revision } = await tree.set(path, state, { condition: this.fence, signal });
    this.#revision = revision;
  }
}

/** The store is away, or did not say what it did: all these writes may be repeated. */
function isPassing(error: unknown): boolean {
  return (
    BanyanError.has(error, "ENGINE_UNAVAILABLE") ||
    BanyanError.has(error, "ENGINE_AMBIGUOUS") ||
    BanyanError.has(error, "ENGINE_DEPOSED") ||
    BanyanError.has(error, "ENGINE_FULL")
  );
}
