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

/** What the node knows of a group, as it travels. */
export interface ActorFields {
  readonly type: "actor";
  readonly state: ActorState["state"];
  readonly group: string;
  readonly peers: readonly string[];
  readonly missing: readonly string[];
  readonly since: number;
  readonly store: ActorState["store"];
}

/** Who has the job instead, as it travels. */
interface SupersededFields {
  readonly type: "superseded";
  readonly by: string | undefined;
  readonly token: number;
}

/** What the node tells a run by itself. */
export type RunEvent = ActorFields | SupersededFields;

/** How much of its group a run's node sees: how it is at the start, then each change. */
export abstract class ActorState extends RunnerMsg {
  readonly type = "actor";
  abstract readonly state: "complete" | "partial" | "detached" | "broken";
  /** Of the job. */
  readonly group: string;
  /** The other members that are there, as far as the node knows. */
  readonly peers: readonly string[];
  /** Those expected that are not; empty where only a number is expected. */
  readonly missing: readonly string[];
  /** Since when it is so: seconds since 1970. */
  readonly since: number;
  /** Whether the tree can be reached, and takes what the node writes. */
  readonly store: "ok" | "away" | "refuses";

  constructor({ group, peers, missing, since, store }: Omit<ActorFields, "type" | "state">) {
    super();
    this.group = group;
    this.peers = peers;
    this.missing = missing;
    this.since = since;
    this.store = store;
  }
}

/** Everyone expected is there. */
export class CompleteState extends ActorState {
  readonly state = "complete";
}

/** Somebody expected is missing. */
export class PartialState extends ActorState {
  readonly state = "partial";
}

/** The node is cut off from the tree, and with it from all others. */
export class DetachedState extends ActorState {
  readonly state = "detached";
}

/** The node reaches the tree, which refuses to take its lease: the disk is full, or the node has no right to that. */
export class BrokenState extends ActorState {
  readonly state = "broken";
}

/** Another run began while this one's node was cut off: this one is to end. */
export class SupersededMsg extends RunnerMsg {
  readonly type = "superseded";
  /** The node; `undefined` where the job was deleted. */
  readonly by: string | undefined;
  /** The token of its run. */
  readonly token: number;

  constructor({ by, token }: Omit<SupersededFields, "type">) {
    super();
    this.by = by;
    this.token = token;
  }
}

const STATES = {
  complete: CompleteState,
  partial: PartialState,
  detached: DetachedState,
  broken: BrokenState,
};

/** The event as code sees it. */
export function toRunnerMsg(event: RunEvent): ActorState | SupersededMsg {
  return event.type === "superseded" ? new SupersededMsg(event) : new STATES[event.state](event);
}

/** `_self.error()` throws it: the failure is on record already. Let it pass. */
export class ErrorRecorded extends Error {
  override readonly name = "ErrorRecorded";
}
