import { totalmem } from "node:os";

/** A thread's own limit is for a few jobs; more is asked for by name. */
const MAX_DEFAULT_MB = 512;
const DEFAULT_SHARE = 0.25;

/** What a thread may hold where nobody says it: 512 MB, a quarter of a small machine. */
export function defaultMemoryMb(): number {
  // A container's limit; 0, or more than there is, where there is none.
  const allowed = process.constrainedMemory() || Infinity;
  const bytes = Math.min(totalmem(), allowed) * DEFAULT_SHARE;
  return Math.max(1, Math.min(MAX_DEFAULT_MB, Math.floor(bytes / 2 ** 20)));
}

/**
 * How much further V8's own limit lies: one large allocation beyond that ends the whole process, not the
 * thread, so it is only there for what is faster than the watch.
 */
export const V8_HEADROOM_MB = 4_096;
