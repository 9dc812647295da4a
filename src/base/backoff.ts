export interface BackoffOptions {
  /** The wait before any factor, in milliseconds. */
  readonly delayMs: number;
  /** What each further failure multiplies it with. */
  readonly factor: number;
  /** No wait is longer, jitter included. */
  readonly maxMs: number;
  /** The share of the wait that is random: 0 none, 0.2 up to a fifth more or less. */
  readonly jitter: number;
  /** From 0 to below 1. */
  readonly random?: () => number;
}

/** More failures than this make the wait no longer, as in DistKV. */
const MAX_EXPONENT = 20;

/**
 * How long to wait after `failures` failures in a row (1 and up), in milliseconds: DistKV's
 * `delay * backoff ** failures`, so a delay of 1 s and a factor of 2 give 2, 4, 8 s.
 */
export function backoffMs(failures: number, options: BackoffOptions): number {
  const { delayMs, factor, maxMs, jitter, random = Math.random } = options;
  const exponent = Math.min(Math.max(failures, 1), MAX_EXPONENT);
  const plain = delayMs * factor ** exponent;
  return Math.min(plain * (1 + jitter * (2 * random() - 1)), maxMs);
}
