/** What costs little more at once than in two parts. */
const FEW = 40;
/** Who sleeps for longer than that had nothing to do. */
const SLEPT_MS = 0.1;

/**
 * How many of the writes that wait go into one commit. Those of a client with many under way come together: it waits
 * while they are committed, and the hub while it makes the next. Where that is so, half of them are
 * answered before the other half is committed, and from then on both have something to do all the time.
 */
export class Halves {
  #idle = 0;

  /** Of `count` that wait. */
  share(count: number): number {
    if (count <= FEW) return count;
    const { idle } = performance.eventLoopUtilization();
    const slept = idle - this.#idle;
    this.#idle = idle;
    return slept > SLEPT_MS ? Math.ceil(count / 2) : count;
  }
}
