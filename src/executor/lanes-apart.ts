import type { Execution, Executor, RunRequest } from "./executor.ts";

/** So many threads at once find one culprit among eight runs in one round, among 64 in two. */
const LANES = 8;
/** From the round after these on, a run has a thread for itself. */
const SHARED_ROUNDS = 2;

interface SharedLane {
  readonly executor: Executor;
  seats: number;
}

/**
 * Places for runs that were lost together, when one of them ended their thread and it can't be told
 * which. Each round spreads them over lanes of their own, as few to a lane as possible, until the
 * culprit is alone when it does it again. A lane is there while it has a seat.
 */
export class LanesApart {
  readonly #open: () => Executor;
  readonly #rounds = new Map<number, Set<SharedLane>>();

  constructor(open: () => Executor) {
    this.#open = open;
  }

  /** Lanes that are open. */
  get size(): number {
    return [...this.#rounds.values()].reduce((sum, lanes) => sum + lanes.size, 0);
  }

  /** A place for one run, to be closed when it has ended. `round`: how often it was lost like that. */
  seat(round: number): Executor {
    if (round > SHARED_ROUNDS) return this.#open();
    let lanes = this.#rounds.get(round);
    if (lanes === undefined) this.#rounds.set(round, (lanes = new Set()));
    const lane = lanes.size < LANES ? this.#add(lanes) : emptiest(lanes);
    lane.seats++;
    return new Seat(lane.executor, async () => {
      if (--lane.seats > 0) return;
      lanes.delete(lane);
      await lane.executor.close();
    });
  }

  #add(lanes: Set<SharedLane>): SharedLane {
    const lane = { executor: this.#open(), seats: 0 };
    lanes.add(lane);
    return lane;
  }
}

class Seat implements Executor {
  readonly kind = "lane";
  readonly #executor: Executor;
  readonly #leave: () => Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(executor: Executor, leave: () => Promise<void>) {
    this.#executor = executor;
    this.#leave = leave;
  }

  start(request: RunRequest): Execution {
    return this.#executor.start(request);
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function emptiest(lanes: ReadonlySet<SharedLane>): SharedLane {
  return [...lanes].reduce((best, lane) => (lane.seats < best.seats ? lane : best));
}
