/** What every call that may wait takes last. */
export interface AbortOptions {
  /** Gives the wait up; the call then rejects with `signal.reason`, as it is. */
  signal?: AbortSignal | undefined;
}

/** Calls `listener` once, at once if it is too late already. Dispose to take it off again. */
export function onAbort(signal: AbortSignal, listener: () => void): Disposable {
  if (signal.aborted) {
    listener();
    return { [Symbol.dispose]: () => {} };
  }
  signal.addEventListener("abort", listener, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", listener) };
}

/** Waits for `promise`, but no longer than `signal` allows. What `promise` stands for goes on. */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => {});
    throw signal.reason;
  }
  let listener: Disposable | undefined;
  const aborted = new Promise<never>((_, reject) => {
    listener = onAbort(signal, () => reject(signal.reason));
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    listener?.[Symbol.dispose]();
  }
}

/** A signal of one's own that also follows others, until it is disposed of. */
export interface LinkedSignal extends Disposable {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
}

/**
 * Aborts with the first of `signals` that does, or by `abort()`. Unlike what `AbortSignal.any` makes, it
 * can't be collected while somebody waits for it: on Node 20 that one may, and then never fires.
 */
export function linkSignals(...signals: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController();
  const listeners = signals
    .filter((signal) => signal !== undefined)
    .map((signal) => onAbort(signal, () => controller.abort(signal.reason)));
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]: () => {
      for (const listener of listeners) listener[Symbol.dispose]();
    },
  };
}
