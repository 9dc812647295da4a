import type { Clock } from "../../base/clock.ts";
import type { Log, LogFields } from "../../base/log.ts";
import { storableData } from "../../tree/error-detail.ts";
import type { LogLine } from "../job.ts";

const MAX_TEXT_LENGTH = 16_384;
/** Lines that may wait while the node takes the last ones. */
const MAX_WAITING_LINES = 2_000;
const FLUSH_MS = 100;

/** A log whose lines all take one way. */
export abstract class LineLog implements Log {
  abstract add(level: LogLine["level"], text: unknown, fields?: LogFields): void;

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
}

/** `_log`, and where the code's console goes: lines of the run's log, sent to the node in batches. */
export class RunLog extends LineLog {
  readonly #send: (lines: readonly LogLine[]) => Promise<void>;
  readonly #clock: Clock;
  #lines: LogLine[] = [];
  #dropped = 0;
  #timer: Disposable | undefined;
  #sending: Promise<void> | undefined;

  constructor(send: (lines: readonly LogLine[]) => Promise<void>, clock: Clock) {
    super();
    this.#send = send;
    this.#clock = clock;
  }

  override add(level: LogLine["level"], text: unknown, fields?: LogFields): void {
    if (this.#lines.length >= MAX_WAITING_LINES) {
      this.#dropped++;
      return;
    }
    this.#lines.push(toLogLine(level, text, { fields, clock: this.#clock }));
    this.#timer ??= this.#clock.after(FLUSH_MS, () => void this.flush());
  }

  /** Resolves when the node has all lines. Never rejects: a run does not fail because of its log. */
  async flush(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    while (this.#sending !== undefined) await this.#sending;
    const lines = this.#take();
    if (lines.length === 0) return;
    this.#sending = this.#send(lines).catch(() => {});
    await this.#sending;
    this.#sending = undefined;
  }

  #take(): LogLine[] {
    const lines = this.#lines;
    this.#lines = [];
    if (this.#dropped > 0) {
      const text = `${this.#dropped} lines were dropped: the run wrote faster than they can be kept`;
      lines.push({ time: this.#clock.wall() / 1000, level: "warn", text });
      this.#dropped = 0;
    }
    return lines;
  }
}

/** A line whose text and fields can be kept, whatever they were. */
export function toLogLine(
  level: LogLine["level"],
  text: unknown,
  { fields, clock }: { readonly fields: LogFields | undefined; readonly clock: Clock },
): LogLine {
  const time = clock.wall() / 1000;
  const line = { time, level, text: textOf(text).slice(0, MAX_TEXT_LENGTH) };
  return fields === undefined ? line : { ...line, fields: storableData(fields) };
}

function textOf(text: unknown): string {
  if (typeof text === "string") return text;
  if (text instanceof Error) return text.stack ?? text.message;
  try {
    return String(text);
  } catch {
    return "(not printable)";
  }
}
