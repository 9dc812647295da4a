import { type Clock, systemClock } from "../../base/clock.ts";
import { BanyanError, RunnerError } from "../../base/errors.ts";
import type { Shipment } from "../../code/unit.ts";
import type { RunContext } from "../../executor/executor.ts";
import { encodeTreeValue } from "../../tree/entry.ts";
import { Client } from "./client.ts";
import { EventQueue } from "./event-queue.ts";
import type { RunHostApi } from "./host-api.ts";
import { TimerMsg, toRunnerMsg } from "./messages.ts";
import { RunLog } from "./run-log.ts";
import { Streams } from "./streams.ts";
import type { Timer, TimerOwner } from "./timer.ts";
import type { RunValues } from "./values.ts";

/** A procedure as a run calls it. */
export interface Callable {
  /**
   * Binds its vars by name; other names, and those of `job`, are visible as variables, or as fields
   * of the arguments of a module-form procedure.
   */
  run(named: Readonly<Record<string, unknown>>, job: Readonly<Record<string, unknown>>): unknown;
}

/** Makes a shipped procedure callable, until it is disposed of. */
export type Link = (shipment: Shipment) => Promise<{ readonly procedure: Callable } & Disposable>;

const DEFAULT_BACKLOG = 1_000;

/** Everything that one run has and has started, and the end of it. */
export class RunScope implements TimerOwner {
  readonly context: RunContext;
  readonly host: RunHostApi;
  readonly values: RunValues;
  readonly clock: Clock;
  readonly streams: Streams;
  readonly client: Client;
  readonly info: EventQueue;
  readonly log: RunLog;
  readonly #link: Link;
  readonly #owned = new Set<(reason: unknown) => void>();
  /** By key: a procedure that is spawned often is linked once. */
  readonly #linked = new Map<string, ReturnType<Link>>();
  #ended = false;

  constructor(context: RunContext, link: Link, clock: Clock = systemClock) {
    this.context = context;
    this.#link = link;
    this.clock = clock;
    // The runner and this kit are of one package, and agree on the two.
    this.host = context.host["run"] as RunHostApi;
    this.values = context.values as unknown as RunValues;
    this.streams = new Streams(this.host, (event) => this.info.push(toRunnerMsg(event)));
    this.client = new Client(this.host, this.streams);
    this.info = new EventQueue(this.values.backlog ?? DEFAULT_BACKLOG);
    this.log = new RunLog((lines) => this.host.log(lines), clock);
    context.onPrint((level, text) => this.log.add(level, text));
    context.signal.addEventListener("abort", () => this.#end(context.signal.reason), {
      once: true,
    });
  }

  /** What it owns and has not ended: timers and tasks, streams. */
  get open(): number {
    return this.#owned.size + this.streams.size;
  }

  /** @throws CodeError what is wrong with it or with what it imports */
  async procedure(shipment: Shipment): Promise<Callable> {
    // Linked when all was disposed of, it would stay for ever.
    this.context.signal.throwIfAborted();
    if (this.#ended) throw new RunnerError("RUNNER_CANCELLED", "the run has ended");
    let linked = this.#linked.get(shipment.key);
    if (linked === undefined) {
      linked = this.#link(shipment);
      this.#linked.set(shipment.key, linked);
    }
    return (await linked).procedure;
  }

  onTimer(timer: Timer): void {
    this.info.push(new TimerMsg(timer));
  }

  own(end: (reason: unknown) => void): () => void {
    if (this.#ended) end(this.context.signal.reason);
    else this.#owned.add(end);
    return () => this.#owned.delete(end);
  }

  /** Ends all it started, and hands the last of the log over. */
  async close(): Promise<void> {
    this.#end(new RunnerError("RUNNER_CANCELLED", "the run has ended"));
    this.streams.closeAll();
    for (const linked of this.#linked.values()) {
      const [outcome] = await Promise.allSettled([linked]);
      if (outcome.status === "fulfilled") outcome.value[Symbol.dispose]();
    }
    this.#linked.clear();
    this.context.endLines();
    await this.log.flush();
  }

  #end(reason: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.info.end(reason);
    for (const end of this.#owned) end(reason);
    this.#owned.clear();
  }
}

/**
 * A run's result, which is stored.
 *
 * @throws RunnerError `RUNNER_BAD_RESULT` where that can't be
 */
export function checkResult(value: unknown): unknown {
  if (value === undefined) return undefined;
  try {
    encodeTreeValue(value);
    return value;
  } catch (cause) {
    const why = BanyanError.is(cause) ? cause.message : "it could not be read";
    throw new RunnerError("RUNNER_BAD_RESULT", `the run returned what can't be kept: ${why}`, {
      cause,
    });
  }
}
