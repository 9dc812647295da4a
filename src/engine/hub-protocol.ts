/** What a hub and its clients say to each other: the methods of the object exported as "engine". */
import type { Path, PathElement } from "../wire/path.ts";
import type {
  Cursor,
  EngineEntry,
  EngineEvent,
  EngineMessage,
  EngineSupports,
  ListOptions,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from "./engine.ts";

/** The name under which a hub exports its engine. */
export const HUB_EXPORT = "engine";

export interface HubInfo {
  readonly label: string;
  readonly store: string;
  readonly supports: EngineSupports;
  readonly pid: number;
  readonly epoch: string;
}

export type HubWriteOptions = Omit<WriteOptions, "signal">;
export type HubListOptions = Omit<ListOptions, "signal">;
export type HubWatchOptions = Omit<WatchOptions, "signal">;

export interface HubPage {
  readonly entries: readonly EngineEntry[];
  /** Whether there is no more behind the last of them. */
  readonly done: boolean;
}

/**
 * Gets a batch and where the watch stands behind it. The next one is sent when the promise settles:
 * that is the flow control.
 */
export type HubWatchSink = (events: readonly EngineEvent[], cursor: Cursor) => Promise<void>;
export type HubMessageSink = (message: EngineMessage) => void;

/** Something that goes on at the hub until it is closed, or the session ends. */
export interface HubHandle {
  close(): void;
}

export interface HubService {
  info(): HubInfo;
  /** Answers: that is all. Tells a hub that is busy with nothing from one that is frozen. */
  ping(): void;
  get(path: Path): Promise<EngineEntry | undefined>;
  put(path: Path, value: Uint8Array, options: HubWriteOptions): Promise<WriteResult>;
  delete(path: Path, options: HubWriteOptions): Promise<WriteResult>;
  page(prefix: Path, options: HubListOptions): Promise<HubPage>;
  children(path: Path): Promise<readonly PathElement[]>;
  watch(prefix: Path, options: HubWatchOptions, sink: HubWatchSink): HubHandle;
  publish(topic: Path, data: Uint8Array): Promise<void>;
  subscribe(topic: Path, sink: HubMessageSink): HubHandle;
}
