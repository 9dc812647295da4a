/** What this needs of Node's `process`; browsers have none. */
interface Host {
  readonly process?: { readonly nextTick?: (run: () => void) => void };
}

const { process: host } = globalThis as Host;

/**
 * Calls `run` when this turn of the event loop ends: behind the microtasks that are due and those
 * that they queue, and before anything else comes in. So everything that one event sets off leaves
 * together, and a lone message leaves at once: no timer is waited for. Browsers have no such place;
 * there it is a microtask.
 *
 * `process.nextTick` alone runs before the microtasks when it is called from an event's own
 * callback, and behind them only when it is called from one of them.
 */
export const atEndOfTurn: (run: () => void) => void =
  typeof host?.nextTick === "function"
    ? (run) => queueMicrotask(() => host.nextTick?.(run))
    : (run) => queueMicrotask(run);
