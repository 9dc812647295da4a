/** Tells who watches of a write before LMDB has committed it, which is a large part of what it takes from one to the other. */
import { endTurn } from "../base/end-of-turn.ts";
import { EngineError } from "../base/errors.ts";
import type { Changed } from "./lmdb-changes.ts";
import type { PendingWrite } from "./pending-write.ts";
import type { Change, StoreListener } from "./store.ts";

/**
 * Whether somebody is to hear of it that early. Where several writes came at once it would cost all of them more than it
 * gives, and on a full disk nothing is written that need not be.
 */
export function isEarly(
  writes: readonly PendingWrite[],
  { changes, isTight }: Changed,
  listener: StoreListener | undefined,
): boolean {
  if (writes.length !== 1 || isTight || listener === undefined) return false;
  return changes.some((change) => listener.awaits(change));
}

/** Within the transaction, which is not to be given up for what is thrown by who is told. */
export function tellEarly(listener: StoreListener | undefined, changes: readonly Change[]): void {
  try {
    listener?.announce(changes);
    endTurn();
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
  }
}

/**
 * LMDB did not commit what others were told of: whoever opens the store next makes it again.
 *
 * @returns why the store can't go on
 */
export function lostBehind(
  writes: readonly PendingWrite[],
  { label, cause }: { label: string; cause: unknown },
): EngineError {
  const says = `${label}: a change that was told of was not committed: ${String(cause)}`;
  for (const { reject, request } of writes) {
    const { operation } = request;
    reject(new EngineError("ENGINE_AMBIGUOUS", says, { cause, details: { operation } }));
  }
  return new EngineError("ENGINE_UNAVAILABLE", says, { cause });
}
