import { type AbortOptions, onAbort } from "./abort.ts";
import type { Clock } from "./clock.ts";

/** Resolves after `ms` of `clock`'s time; rejects with `signal.reason` if that comes first. */
export function pause(
  ms: number,
  options: AbortOptions & { readonly clock: Clock },
): Promise<void> {
  const { clock, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    let listener: Disposable | undefined;
    const timer = clock.after(ms, () => {
      listener?.[Symbol.dispose]();
      resolve();
    });
    if (signal === undefined) return;
    listener = onAbort(signal, () => {
      timer[Symbol.dispose]();
      reject(signal.reason as Error);
    });
  });
}
