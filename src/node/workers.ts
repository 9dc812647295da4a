import { availableParallelism } from "node:os";

import { type Clock, systemClock } from "../base/clock.ts";
import { type Log, silentLog } from "../base/log.ts";
import { threadChannel } from "../channel/thread.ts";
import type { WorkerOptions } from "../code/worker-calls.ts";
import type { Executor } from "../executor/executor.ts";
import { Pool } from "../executor/pool.ts";

/** Small: most calls pass plain values, and larger messages find another way. */
const RING_BYTES = 65_536;
const MIN_THREADS = 4;

/** Threads for code that may block: none before the first thing is run. */
export function openWorkers(
  options: WorkerOptions & { readonly clock?: Clock | undefined; readonly log?: Log | undefined },
): Executor {
  const {
    maxThreads = Math.max(MIN_THREADS, Math.ceil(availableParallelism() * 1.5)),
    clock = systemClock,
    log = silentLog,
    ...rest
  } = options;
  return new Pool({
    entry: new URL("../entry/pool.js", import.meta.url),
    channel: (port) => threadChannel(port, { label: "pool", ringBytes: RING_BYTES }),
    name: "workers",
    maxThreads,
    clock,
    log,
    ...rest,
  });
}
