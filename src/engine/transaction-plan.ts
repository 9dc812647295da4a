import type { DiskRoom } from "./disk-room.ts";
import { lmdbError } from "./lmdb-errors.ts";
import { type LmdbPast, MAX_PREVIOUS_BYTES, SMALL_STEP_BYTES } from "./lmdb-past.ts";
import type { Head } from "./lmdb-records.ts";
import type { WriteRequest } from "./store.ts";
import type { PendingWrite } from "./pending-write.ts";

/** What the next transaction of a store is for. */
export interface TransactionPlan {
  readonly writes: readonly PendingWrite[];
  /** Those that have to wait until others have given up pages. */
  readonly later: readonly PendingWrite[];
  /** Whether it moves past versions out of the log. */
  readonly isMoving: boolean;
  /** There is nothing to do, or no room for it. */
  readonly isIdle: boolean;
}

interface PlanOptions {
  /** Of the store, for errors. */
  readonly label: string;
  readonly room: DiskRoom;
  readonly past: LmdbPast;
  readonly head: Head;
  /** The row of an entry as it is now. */
  readonly rowOf: (key: Uint8Array) => Uint8Array | undefined;
}

/**
 * Refuses those of `pending` for which there is no room, and says what is to be done of the others. Where that can't be
 * found out, as when the store's folder is gone, it refuses all of them: the system may say it of the next ones.
 */
export function planTransaction(
  pending: readonly PendingWrite[],
  options: PlanOptions,
): TransactionPlan {
  try {
    return plan(pending, options);
  } catch (error) {
    const reason = lmdbError(error, options.label);
    for (const { reject } of pending) reject(reason);
    return { writes: [], later: [], isMoving: false, isIdle: true };
  }
}

function plan(
  pending: readonly PendingWrite[],
  { room, past, head, rowOf }: PlanOptions,
): TransactionPlan {
  const keptBytes = ({ key, path, operation }: WriteRequest): number => {
    const size = rowOf(key)?.length ?? 0;
    if (size <= MAX_PREVIOUS_BYTES) return size;
    // As a past version, and with the name of the write; on a full disk it is not kept.
    const times = Number(past.rules.for(path).versions > 0) + Number(operation !== undefined);
    return room.isFull ? 0 : times * size;
  };
  const { now: writes, later, bytes } = room.admit(pending, keptBytes);
  const isDue = past.isDue(head, room.isFull);
  const isMoving = isDue && (!room.isScarce || room.allows(bytes + SMALL_STEP_BYTES));
  if (isDue && !isMoving && past.isMuch(head) && room.allows(SMALL_STEP_BYTES)) {
    // There is no room for both; what waits keeps the log from giving up pages.
    return { writes: [], later: [...writes, ...later], isMoving: true, isIdle: false };
  }
  if (writes.length > 0 || !room.isFull || isMoving) {
    return { writes, later, isMoving, isIdle: false };
  }
  // Where others wait for pages, a transaction of its own gives some up, of the log.
  return { writes, later, isMoving, isIdle: later.length === 0 || !room.allows(0) };
}
