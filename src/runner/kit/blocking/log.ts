import { type Clock, systemClock } from "../../../base/clock.ts";
import type { Log, LogFields } from "../../../base/log.ts";
import type { LogLine } from "../../job.ts";
import { toLogLine } from "../run-log.ts";

/**
 * `_log`, and where the console of code that blocks goes. Each line is handed over at once: no timer runs
 * while the code does.
 */
export class BlockingLog implements Log {
  readonly #send: (lines: readonly LogLine[]) => void;
  readonly #clock: Clock;

  constructor(send: (lines: readonly LogLine[]) => void, clock: Clock = systemClock) {
    this.#send = send;
    this.#clock = clock;
  }

  debug(text: unknown, fields?: LogFields): void {
    this.add("debug", text, fields);
  }

  info(text: unknown, fields?: LogFields): void {
    this.add("info", text, fields);
  }

  warn(text: unknown, fields?: LogFields): void {
    this.add("warn", text, fields);
  }

  error(text: unknown, fields?: LogFields): void {
    this.add("error", text, fields);
  }

  add(level: LogLine["level"], text: unknown, fields?: LogFields): void {
    const line = toLogLine(level, text, { fields, clock: this.#clock });
    try {
      this.#send([line]);
    } catch {
      // A run does not fail because of its log; the node knows why it took none.
    }
  }
}
