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
