import type { Engine, WriteResult } from "./engine.ts";
import { checkWriteOptions } from "./hub-checks.ts";
import { packResult, unpackWrite } from "./packed-write.ts";

/**
 * What a hub and its clients say to each other in requests of bytes alone: what is small and frequent, which they have
 * sooner than calls of methods.
 *
 * A client's begins with a byte that says what it asks, `Ask`. A hub's are news of watches: the number of the watch, as a
 * varint, and a batch as in `packed-events.ts`; it is answered when there is room for more.
 */
export const Ask = {
  /** A write, as in `packed-write.ts`, with a result as there. */
  write: 0,
  /** A question for many entries, and an answer, as in `row-answers.ts`. */
  rows: 1,
} as const;

/** Makes the write that a client sends. @throws as the engine does; WireError, TypeError for what is none */
export async function answerWrite(
  engine: Engine,
  packed: Uint8Array,
): Promise<Uint8Array | WriteResult> {
  const { path, value, options } = unpackWrite(packed);
  const checked = checkWriteOptions(options);
  const done = value ? engine.put(path, value, checked) : engine.delete(path, checked);
  return packResult(path, await done);
}
