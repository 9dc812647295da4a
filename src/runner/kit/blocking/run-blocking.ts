import type { Shipment } from "../../../code/unit.ts";
import type { RunCode } from "../../../executor/executor.ts";
import { type Callable, checkResult } from "../run-scope.ts";
import type { RunValues } from "../values.ts";
import { runProcedure } from "../variables.ts";
import { BlockingClient } from "./client.ts";
import type { BlockingEvents, BlockingHost } from "./events-api.ts";
import { BlockingInfo } from "./info.ts";
import { BlockingLog } from "./log.ts";
import { BlockingSelf } from "./self.ts";
import type { RunningTimers } from "./timer.ts";

/**
 * How a job's code is run that blocks its thread: with everything a run has, each call done when it
 * returns. `open` links what was shipped.
 */
export function runBlocking(
  open: (shipment: Shipment) => Promise<{ readonly procedure: Callable }>,
): RunCode {
  return async (context) => {
    // The runner and this kit are of one package, and agree on these.
    const host = context.host["run"] as BlockingHost;
    const events = context.host["events"] as BlockingEvents;
    const values = context.values as unknown as RunValues;
    const log = new BlockingLog((lines) => host.log(lines));
    context.onPrint((level, text) => log.add(level, text));
    try {
      const { procedure } = await open(context.code as Shipment);
      context.signal.throwIfAborted();
      const timers: RunningTimers = new Map();
      const client = new BlockingClient(host, events);
      const info = new BlockingInfo(events, timers);
      const self = new BlockingSelf({ context, values, host, events, client, timers });
      const result = runProcedure(procedure, values.data, { values, client, info, log, self });
      return checkResult(await result);
    } finally {
      context.endLines();
    }
  };
}
