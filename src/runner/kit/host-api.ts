import type { Shipment } from "../../code/unit.ts";
import type { Revision } from "../../engine/engine.ts";
import type { DepthOptions } from "../../tree/depth.ts";
import type { TreeEntry } from "../../tree/entry.ts";
import type { TreeEvent } from "../../tree/watch.ts";
import type { Path } from "../../wire/path.ts";
import type { LogLine } from "../job.ts";
import type { RunEvent } from "./messages.ts";

/** Conditions that stored code may make on a write. The fence is the node's own affair. */
export interface RunSetOptions {
  /** Write only if the entry is at this revision; 0: only if there is none. */
  readonly ifRevision?: Revision | undefined;
  /** Write only if there is no entry; otherwise `TREE_EXISTS`. */
  readonly onlyNew?: boolean | undefined;
  /** Write nothing if the entry has this very value already. */
  readonly idem?: boolean | undefined;
}

export interface RunDeleteOptions {
  readonly ifRevision?: Revision | undefined;
  /** Delete also everything below. */
  readonly recursive?: boolean | undefined;
}

export interface RunSetResult {
  /** Of this write; of the entry as it is where nothing was written. */
  readonly revision: Revision;
  /** Whether anything was written. */
  readonly changed: boolean;
  readonly previous: TreeEntry | undefined;
}

export interface RunWatchOptions extends DepthOptions {
  /** False leaves out the entries that are there at the start. */
  readonly current?: boolean | undefined;
}

export interface RunRequestOptions {
  /** How long to wait for the answer, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

export type RunAnswer = (topic: Path, value: Uint8Array) => Promise<Uint8Array>;

/** One message as it travels: `value` is left out where it was asked for raw, or is none. */
export interface RunMessage {
  readonly topic: Path;
  readonly data: Uint8Array;
  readonly value?: unknown;
}

export type StreamItem = TreeEvent | RunMessage;

/** Where a run's host sends what its streams bring. One per run. */
export interface StreamSink {
  /** In order per stream; resolves when there is room for more. */
  put(stream: number, items: readonly StreamItem[]): Promise<void>;
  /** The stream is over: by itself, or with an error. */
  end(stream: number, error?: unknown): void;
  /** What the node tells by itself. */
  tell(event: RunEvent): void;
}

/**
 * What the node does for one run. Values that are written travel as bytes, so that what can't be
 * stored is refused where the code stands, and no reference to it is made. Streams are numbered by
 * the caller. After the run, and after the deadline, every call is refused with `RUNNER_FENCED`; while
 * the node is cut off and the run goes on, with `RUNNER_DETACHED`, but for log, progress and setup.
 */
export interface RunHostApi {
  /** Where streams go; called once, before any is opened. */
  attach(sink: StreamSink): Promise<void>;
  entry(path: Path): Promise<TreeEntry | undefined>;
  /** What a secret is, as bytes of a value, where the node may read it. */
  secret(path: Path): Promise<Uint8Array | undefined>;
  set(path: Path, value: Uint8Array, options: RunSetOptions): Promise<RunSetResult>;
  delete(path: Path, options: RunDeleteOptions): Promise<RunSetResult>;
  publish(topic: Path, data: Uint8Array): Promise<void>;
  /** Asks one of those who respond to the topic; `closeStream` gives it up. */
  request(
    stream: number,
    topic: Path,
    value: Uint8Array,
    options: RunRequestOptions,
  ): Promise<unknown>;
  /** Answers requests to the topic with `answer`, a value's bytes for a value's bytes, until `closeStream`. */
  respond(stream: number, topic: Path, answer: RunAnswer): Promise<void>;
  watch(stream: number, path: Path, options: RunWatchOptions): Promise<void>;
  /** Resolves when every message published from now on will be heard. */
  subscribe(stream: number, topic: Path, options: { readonly raw: boolean }): Promise<void>;
  list(stream: number, path: Path): Promise<void>;
  walk(stream: number, path: Path, options: DepthOptions): Promise<void>;
  /** The next items of `list` or `walk`; none: that was all, and it is closed. */
  nextPage(stream: number): Promise<readonly unknown[]>;
  closeStream(stream: number): Promise<void>;
  log(lines: readonly LogLine[]): Promise<void>;
  setupDone(): Promise<void>;
  progress(value: Uint8Array): Promise<void>;
  recordError(error: unknown, data: Readonly<Record<string, unknown>>): Promise<void>;
  shipment(path: Path): Promise<Shipment>;
}
