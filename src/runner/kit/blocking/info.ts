import {
  ChangeMsg,
  MessageMsg,
  ReadyMsg,
  type RunEvent,
  type RunnerMsg,
  TimerMsg,
  toRunnerMsg,
} from "../messages.ts";
import type { BlockingEvents, EventFields } from "./events-api.ts";
import { BlockingTimer, type RunningTimers } from "./timer.ts";

/**
 * `_info` of code that blocks: what happens around a run, waited for event by event. The node keeps them
 * meanwhile; whoever reads too slowly gets RunnerError `RUNNER_OVERFLOW` after those that are there.
 * Breaking out of a loop over it ends nothing.
 */
export class BlockingInfo implements Iterable<RunnerMsg> {
  readonly #events: BlockingEvents;
  readonly #timers: RunningTimers;

  constructor(events: BlockingEvents, timers: RunningTimers) {
    this.#events = events;
    this.#timers = timers;
  }

  /** Events that wait to be read: `next` does not block for so many. */
  get length(): number {
    return this.#events.waiting();
  }

  /** Waits for the next event. @throws RunnerError `RUNNER_OVERFLOW`; why the run is to end */
  next(): IteratorResult<RunnerMsg, undefined> {
    const fields = this.#events.next();
    return fields === undefined
      ? { done: true, value: undefined }
      : { done: false, value: this.#messageOf(fields) };
  }

  [Symbol.iterator](): Iterator<RunnerMsg, undefined> {
    return { next: () => this.next() };
  }

  #messageOf(fields: EventFields): RunnerMsg {
    switch (fields.type) {
      case "change": {
        const { path, value, revision, previous } = fields as unknown as ChangeMsg;
        return new ChangeMsg(path, value, revision, previous);
      }
      case "message": {
        const { topic, value, data } = fields as unknown as MessageMsg;
        return new MessageMsg(topic, value, data);
      }
      case "timer":
        return new TimerMsg(this.#timerOf(fields["timer"] as number));
      case "actor":
      case "superseded":
        return toRunnerMsg(fields as unknown as RunEvent);
      default:
        return new ReadyMsg(fields["count"] as number);
    }
  }

  /** One that was waited for is not there any more; it can still be started again. */
  #timerOf(id: number): BlockingTimer {
    return this.#timers.get(id) ?? new BlockingTimer(id, this.#events, this.#timers);
  }
}
