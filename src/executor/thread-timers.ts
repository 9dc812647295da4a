import { promisify } from "node:util";

import type { ThreadRun } from "./thread-run.ts";

/**
 * Makes the timers that a run set by the global functions end with it. Those of `node:timers` are
 * the code's own business.
 */
export function ownTimers(current: () => ThreadRun | undefined): void {
  const { setTimeout, setInterval, clearTimeout } = globalThis;

  function ownedTimeout(
    callback: (...args: unknown[]) => void,
    delayMs?: number,
    ...args: unknown[]
  ) {
    const run = current();
    if (run === undefined) return setTimeout(callback, delayMs, ...args);
    const timer = setTimeout(() => {
      owned[Symbol.dispose]();
      callback(...args);
    }, delayMs);
    const owned = run.own({ [Symbol.dispose]: () => clearTimeout(timer) });
    return timer;
  }

  function ownedInterval(
    callback: (...args: unknown[]) => void,
    delayMs?: number,
    ...args: unknown[]
  ) {
    const timer = setInterval(callback, delayMs, ...args);
    current()?.own({ [Symbol.dispose]: () => clearInterval(timer) });
    return timer;
  }

  // What `util.promisify` looks for must stay.
  globalThis.setTimeout = Object.assign(ownedTimeout, {
    [promisify.custom]: (setTimeout as { [promisify.custom]?: unknown })[promisify.custom],
  }) as unknown as typeof setTimeout;
  globalThis.setInterval = ownedInterval as typeof setInterval;
}
