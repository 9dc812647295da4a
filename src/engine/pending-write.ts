import type { Deferred } from "../base/deferred.ts";
import type { WriteResult } from "./engine.ts";
import type { Ended } from "./lmdb-names.ts";
import type { WriteRequest } from "./store.ts";

/** A write that somebody waits for. */
export interface PendingWrite extends Deferred<WriteResult> {
  readonly request: WriteRequest;
}

/** What one write came to within a transaction: settled when that is committed. */
export interface Outcome extends Ended {
  readonly write: PendingWrite;
}
