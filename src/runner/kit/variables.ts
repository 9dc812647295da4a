import type { GivenName } from "../../code/reserved.ts";
import { parsePath } from "../../wire/path-text.ts";
import { Path, type PathElement } from "../../wire/path.ts";
import { ChangeMsg, ErrorRecorded, MessageMsg, ReadyMsg, RunnerMsg, TimerMsg } from "./messages.ts";
import type { Callable, RunScope } from "./run-scope.ts";
import type { Self } from "./self.ts";

/** `_cls`: the classes of what is in `_info`. */
const CLASSES = Object.freeze({
  RunnerMsg,
  ChangeMsg,
  ReadyMsg,
  TimerMsg,
  MessageMsg,
  ErrorRecorded,
});

/** Calls a procedure of a run: with the given values, and with what every run has. */
export async function runProcedure(
  procedure: Callable,
  named: Readonly<Record<string, unknown>>,
  scope: RunScope,
  self: Self,
): Promise<unknown> {
  const { values } = scope;
  const given: Readonly<Record<Exclude<GivenName, "_args">, unknown>> = {
    _client: scope.client,
    _cfg: values.config,
    _entry: { ...values.entry, path: values.job },
    _info: scope.info,
    _log: scope.log,
    _self: self,
    _cls: CLASSES,
    _P: parsePath,
    _Path: (...elements: readonly PathElement[]) => Path.fromElements(elements),
  };
  return procedure.run(named, given);
}
