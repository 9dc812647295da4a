import type { GivenName } from "../../code/reserved.ts";
import { parsePath } from "../../wire/path-text.ts";
import { Path, type PathElement } from "../../wire/path.ts";
import {
  ActorState,
  BrokenState,
  ChangeMsg,
  CompleteState,
  DetachedState,
  ErrorRecorded,
  MessageMsg,
  PartialState,
  ReadyMsg,
  RunnerMsg,
  SupersededMsg,
  TimerMsg,
} from "./messages.ts";
import type { Callable, RunScope } from "./run-scope.ts";
import type { RunValues } from "./values.ts";

/** `_cls`: the classes of what is in `_info`. */
const CLASSES = Object.freeze({
  RunnerMsg,
  ChangeMsg,
  ReadyMsg,
  TimerMsg,
  MessageMsg,
  ActorState,
  CompleteState,
  PartialState,
  DetachedState,
  BrokenState,
  SupersededMsg,
  ErrorRecorded,
});

/** What a run's code finds as `_client` and so on. */
export interface RunVariables {
  readonly values: RunValues;
  readonly client: object;
  readonly info: object;
  readonly log: object;
  readonly self: object;
}

/** Those of code that doesn't block, but for its `_self`. */
export function variablesOf({ values, client, info, log }: RunScope): Omit<RunVariables, "self"> {
  return { values, client, info, log };
}

/** Calls a procedure of a run: with the given values, and with what every run has. */
export async function runProcedure(
  procedure: Callable,
  named: Readonly<Record<string, unknown>>,
  { values, client, info, log, self }: RunVariables,
): Promise<unknown> {
  const given: Readonly<Record<Exclude<GivenName, "_args">, unknown>> = {
    _client: client,
    _cfg: values.config,
    _entry: { ...values.entry, path: values.job },
    _info: info,
    _log: log,
    _self: self,
    _cls: CLASSES,
    _P: parsePath,
    _Path: (...elements: readonly PathElement[]) => Path.fromElements(elements),
  };
  return procedure.run(named, given);
}
