/** What this needs of Node's `process`; browsers have none. */
interface Host {
  readonly process?: { readonly nextTick?: (run: () => void) => void };
}

const { process: host } = globalThis as Host;

const settled = Promise.resolve();
/** What is due at the end of this turn; how much there is, and how much of it has run. */
const due: (() => void)[] = [];
let count = 0;
let done = 0;
let scheduled = false;

/**
 * Calls `run` when this turn of the event loop ends: behind the microtasks that are due and those
 * that they queue, and before anything else comes in. So everything that one event sets off leaves
 * together, and a lone message leaves at once: no timer is waited for. What such a `run` adds comes
 * behind the others, at the same end of the turn. Browsers have no such place; there it is a microtask.
 *
 * `process.nextTick` alone runs before the microtasks when it is called from an event's own
 * callback, and behind them only when it is called from one of them.
 */
export function atEndOfTurn(run: () => void): void {
  due[count++] = run;
  if (scheduled) return;
  scheduled = true;
  void settled.then(behindMicrotasks);
}

/** Runs at once what is due at the end of this turn: who was sent something gets it before what comes now is through. */
export function endTurn(): void {
  runDue();
}

function behindMicrotasks(): void {
  if (host?.nextTick === undefined) runDue();
  else host.nextTick(runDue);
}

function runDue(): void {
  try {
    while (done < count) {
      const run = due[done] as () => void;
      due[done++] = nothing;
      run();
    }
  } finally {
    if (done < count) {
      // One that threw doesn't keep the others from their turn.
      behindMicrotasks();
    } else {
      count = 0;
      done = 0;
      scheduled = false;
    }
  }
}

function nothing(): void {}
