import type { Path } from "../../../wire/path.ts";
import type { RunHostApi, RunWatchOptions, StreamItem } from "../host-api.ts";

/** What of a `RunnerMsg` crosses: its fields, with a timer as its number. */
export type EventFields = Readonly<Record<string, unknown>> & { readonly type: string };

/**
 * What the node keeps for a run whose code blocks: nothing can be pushed to a thread that computes, so the
 * code asks. Each wait ends with the run, then with the reason for that.
 */
export interface RunEventsApi {
  /** The next event of `_info`; `undefined` where none will come any more. */
  next(): Promise<EventFields | undefined>;
  /** Events that wait to be read. */
  waiting(): number;
  watch(path: Path, options: RunWatchOptions): Promise<number>;
  monitor(topic: Path, options: { readonly raw: boolean }): Promise<number>;
  /** Ends a watch, a monitor or a reader. Idempotent. */
  close(id: number): Promise<void>;
  readWatch(path: Path, options: RunWatchOptions): Promise<number>;
  readTopic(topic: Path, options: { readonly raw: boolean }): Promise<number>;
  /** The next item of a reader; `undefined` at its end. */
  read(id: number): Promise<StreamItem | undefined>;
  /** `seconds` is more than 0. */
  startTimer(id: number, seconds: number): void;
  /** False if it wasn't running. */
  cancelTimer(id: number): boolean;
  /** Resolves when it does not run any more. */
  waitTimer(id: number): Promise<void>;
}

/** An object of the node's as a thread has it that waits for each answer. */
type Blocking<Api> = {
  readonly [Name in keyof Api]: Api[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Awaited<Result>
    : Api[Name];
};

export type BlockingHost = Blocking<Omit<RunHostApi, "attach" | "watch" | "subscribe" | "respond">>;
export type BlockingEvents = Blocking<RunEventsApi>;
