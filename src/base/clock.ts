/** Where time comes from. Injected, so that a test decides when it passes. */
export interface Clock {
  /** Milliseconds that never go back. The start is arbitrary: compare, don't print. */
  now(): number;

  /**
   * Milliseconds since 1970-01-01 UTC by this machine's wall clock. For schedules and for people; it
   * may jump, so it never decides who owns something.
   */
  wall(): number;

  /** Calls `run` once, after `delayMs`. Dispose to call it off. Never keeps the process alive. */
  after(delayMs: number, run: () => void): Disposable;
}

/** `setTimeout` fires at once for longer delays than this. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (delayMs, run) => {
    let timer = arm(delayMs);
    function arm(restMs: number): ReturnType<typeof setTimeout> {
      const stepMs = Math.min(restMs, MAX_TIMEOUT_MS);
      const next = setTimeout(() => {
        if (restMs > stepMs) timer = arm(restMs - stepMs);
        else run();
      }, stepMs);
      // Browsers' timers are numbers and hold nothing alive.
      if (typeof next === "object") next.unref();
      return next;
    }
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
