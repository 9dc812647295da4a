import type { Revision } from "../../engine/engine.ts";
import type { Path } from "../../wire/path.ts";

/** What code finds in `_info`. Told apart by `type`, or by `instanceof` with the classes of `_cls`. */
export abstract class RunnerMsg {
  abstract readonly type: string;
}

/** An entry that the code watches: how it is at the start, then each change. */
export class ChangeMsg extends RunnerMsg {
  readonly type = "change";
  readonly path: Path;
  /** `undefined` where the entry is gone. */
  readonly value: unknown;
  readonly revision: Revision;
  /** The value that this run was told before, if any. */
  readonly previous: unknown;

  constructor(path: Path, value: unknown, revision: Revision, previous: unknown) {
    super();
    this.path = path;
    this.value = value;
    this.revision = revision;
    this.previous = previous;
  }
}

/** Every watch that was begun so far has told how its entries are. */
export class ReadyMsg extends RunnerMsg {
  readonly type = "ready";
  /** How many watches that are. */
  readonly count: number;

  constructor(count: number) {
    super();
    this.count = count;
  }
}

/** A timer as code has it that awaits, or that blocks. */
interface AnyTimer {
  run(seconds: number): void;
  cancel(): boolean;
}

/** A timer of `_self.timer` has run out. */
export class TimerMsg extends RunnerMsg {
  readonly type = "timer";
  readonly timer: AnyTimer;

  constructor(timer: AnyTimer) {
    super();
    this.timer = timer;
  }
}

/** Somebody published to a topic that the code monitors. */
export class MessageMsg extends RunnerMsg {
  readonly type = "message";
  readonly topic: Path;
  /** `undefined` if it was monitored raw, or is no value. */
  readonly value: unknown;
  /** The bytes as they were sent. */
  readonly data: Uint8Array;

  constructor(topic: Path, value: unknown, data: Uint8Array) {
    super();
    this.topic = topic;
    this.value = value;
    this.data = data;
  }
}

/** `_self.error()` throws it: the failure is on record already. Let it pass. */
export class ErrorRecorded extends Error {
  override readonly name = "ErrorRecorded";
}
