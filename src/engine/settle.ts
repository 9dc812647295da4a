import { EngineError } from "../base/errors.ts";
import type { Durability } from "./engine.ts";
import type { Outcome } from "./pending-write.ts";
import type { WriteRequest } from "./store.ts";

/** Tells who waits for a transaction what it came to; those who want it on the disk when it is there. */
export function settle(
  outcomes: readonly Outcome[],
  durabilityOf: (request: WriteRequest) => Durability,
  flush: () => Promise<void>,
): void {
  const unflushed: Outcome[] = [];
  for (const outcome of outcomes) {
    const { write, result, error } = outcome;
    if (result === undefined) write.reject(error);
    else if (durabilityOf(write.request) === "flushed") unflushed.push(outcome);
    else write.resolve(result);
  }
  if (unflushed.length > 0) void settleFlushed(unflushed, flush());
}

async function settleFlushed(outcomes: readonly Outcome[], flushed: Promise<void>): Promise<void> {
  try {
    await flushed;
    for (const { write, result } of outcomes) if (result !== undefined) write.resolve(result);
  } catch (cause) {
    for (const { write } of outcomes) {
      const { operation } = write.request;
      const says = "the write was applied, but may not outlive a power failure";
      write.reject(new EngineError("ENGINE_AMBIGUOUS", says, { cause, details: { operation } }));
    }
  }
}
