import { RunnerError } from "../base/errors.ts";
import { toPath } from "../wire/path-text.ts";
import type { CodeSource, OpenRunObjects } from "./run-context.ts";
import { RunEvents } from "./run-events.ts";
import { RunHost } from "./run-host.ts";
import type { RunValues } from "./kit/values.ts";
import type { Shipment } from "../code/unit.ts";

export interface RunObjectsOptions {
  /** Where `_self.spawn` finds further procedures. */
  readonly code: Pick<CodeSource, "shipment">;
  /** What code sees as `_cfg`, asked for as a run begins. */
  readonly config?: (() => Readonly<Record<string, unknown>>) | undefined;
  /** Events that may wait unread in `_info`. Default 1,000. */
  readonly backlog?: number | undefined;
}

/** Gives each run what `runStored` needs on the other side: a `RunHost` and its values. */
export function runObjects({
  code,
  config = () => ({}),
  backlog,
}: RunObjectsOptions): OpenRunObjects {
  return (context) => {
    const { tree, clock, path, entry, node, run, token, reason, fence } = context;
    const host = new RunHost({
      tree,
      job: path,
      run,
      node,
      fence,
      check: () => context.check(),
      mayGoOn: () => context.mayGoOn(),
      // What a library ships, the kit's linker opens.
      shipment: (procedure) => code.shipment(toPath(procedure)) as Shipment,
      on: {
        log: (lines) => context.log(lines),
        setupDone: () => context.setupDone(),
        progress: (value) => context.progress(value),
        fenced: () => context.onFenced(),
      },
      clock,
    });
    const { data, ...plain } = entry;
    const values: RunValues = {
      job: path,
      node,
      token,
      run,
      reason,
      entry: { ...plain, data },
      data,
      config: config(),
      backlog,
    };
    const { blocks, signal } = context;
    const events = blocks ? new RunEvents({ host, clock, backlog, signal }) : undefined;
    return {
      host: events === undefined ? { run: host } : { run: host, events },
      values: { ...values },
      close: () => {
        events?.end(new RunnerError("RUNNER_CANCELLED", "the run has ended"));
        return host.close();
      },
      detach: (error) => host.detach(error),
      tell: (event) => (events ?? host).tell(event),
      redact: (said) => host.redact(said),
      errorRecorded: () => host.errorRecorded,
    };
  };
}
