/** What this needs of Node's `process`; browsers have none. */
interface Ticking {
  readonly nextTick?: (run: () => void) => void;
}

const ticking = (globalThis as { readonly process?: Ticking }).process;

/**
 * Calls `run` when what runs now has ended, and before anything else comes in. Under Node that is
 * after the microtasks of this callback, so that everything its continuations send leaves at once;
 * elsewhere it is a microtask. Never waits for a timer.
 */
export const nextTick: (run: () => void) => void =
  typeof ticking?.nextTick === "function"
    ? ticking.nextTick.bind(ticking)
    : (run) => queueMicrotask(run);
