import { BanyanError } from "../base/errors.ts";
import { pause } from "../base/pause.ts";
import { type JobState, type Run } from "./job.ts";
import type { RunParts } from "./job-run.ts";
import type { Incarnation } from "./node-lease.ts";
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
 */
export class OwnedJob {
  readonly at: SlotPath;
  readonly token: number;
  readonly fence: Fence;
  readonly incarnation: Incarnation;
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
    this.incarnation = claim.incarnation;
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
      try {
        await write();
        return true;
      } catch (error) {
        if (BanyanError.has(error, "ENGINE_CONDITION") || signal.aborted) return false;
        if (!isPassing(error)) throw error;
        await pause(RETRY_MS, { clock, signal }).catch(() => {});
      }
      if (!this.incarnation.isValid()) return false;
    }
  }

  async release(): Promise<void> {
    await this.persist(() =>
      this.#parts.ownership.release(this.at, this.token, this.#parts.signal),
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
      await ownership.forget(this.at, this.token);
    });
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
