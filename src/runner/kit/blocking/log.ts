import { type Clock, systemClock } from "../../../base/clock.ts";
import type { LogFields } from "../../../base/log.ts";
import type { LogLine } from "../../job.ts";
import { LineLog, toLogLine } from "../run-log.ts";

/**
 * `_log`, and where the console of code that blocks goes. Each line is handed over at once: no timer runs
 * while the code does.
 */
export class BlockingLog extends LineLog {
  readonly #send: (lines: readonly LogLine[]) => void;
  readonly #clock: Clock;

  constructor(send: (lines: readonly LogLine[]) => void, clock: Clock = systemClock) {
    super();
    this.#send = send;
    this.#clock = clock;
  }

  override add(level: LogLine["level"], text: unknown, fields?: LogFields): void {
    const line = toLogLine(level, text, { fields, clock: this.#clock });
    try {
      this.#send([line]);
    } catch {
      // A run does not fail because of its log; the node knows why it took none.
    }
  }
}
