import type { Clock } from "../../base/clock.ts";
import type { Shipment } from "../../code/unit.ts";
import type { RunCode } from "../../executor/executor.ts";
import { checkResult, type Link, RunScope } from "./run-scope.ts";
import { Self } from "./self.ts";
import { runProcedure, variablesOf } from "./variables.ts";

/** How a job's code is run where it is shipped to: with everything a run has, and then none of it. */
export function runStored(link: Link, clock?: Clock): RunCode {
  return async (context) => {
    const scope = new RunScope(context, link, clock);
    try {
      await scope.host.attach(scope.streams);
      const procedure = await scope.procedure(context.code as Shipment);
      context.signal.throwIfAborted();
      const self = new Self(scope, context.signal);
      return checkResult(
        await runProcedure(procedure, scope.values.data, { ...variablesOf(scope), self }),
      );
    } finally {
      await scope.close();
    }
  };
}
