import assert from "node:assert/strict";

import type { ErrorCode } from "../base/error-codes.ts";
import { BanyanError } from "../base/errors.ts";
import type {
  Engine,
  EngineEntry,
  EngineEvent,
  EngineWatch,
  ListOptions,
} from "../engine/engine.ts";
import { formatPath, parsePath } from "../wire/path-text.ts";
import type { Path } from "../wire/path.ts";

/** Where an implementation's tests get an engine from. Disposing ends all there is of it. */
export interface EngineFixture extends AsyncDisposable {
  readonly engine: Engine;
  /** Another client of the same store, where `supports.shared`. The fixture disposes of it. */
  another?(): Promise<Engine>;
  /** Ends the engine and opens its store again, where `supports.durable`. */
  reopen?(): Promise<Engine>;
}

export interface EngineFixtureOptions {
  /** How many changes are kept for watches to resume by. */
  readonly history?: number;
  readonly maxValueBytes?: number;
}

export interface EngineSuiteOptions {
  /** Registers one test: vitest's `test`, node's `test`, or the like. */
  readonly test: (name: string, run: () => Promise<void>) => void;
  /** Opens an engine with an empty store of its own. */
  readonly open: (options: EngineFixtureOptions) => Promise<EngineFixture>;
}

/** What a section of the suite is given: registers a test that gets a fresh engine. */
export type EngineTest = (
  name: string,
  run: (engine: Engine, fixture: EngineFixture) => Promise<void>,
  options?: EngineFixtureOptions,
) => void;

/** Longer than anything takes, shorter than a test runner's patience. */
const DEADLINE_MS = 4_000;

/** Waits for `promise`, but fails where it takes too long; `what` says what was waited for. */
export async function soon<T>(
  promise: Promise<T>,
  what: string,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const signal = AbortSignal.timeout(deadlineMs);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error(`waited in vain for ${what}`)), {
      once: true,
    });
  });
  return Promise.race([promise, late]);
}

export function path(where: string): Path {
  return parsePath(where);
}

export function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

/** Writes `value` under `where`, and gives its revision. */
export async function put(engine: Engine, where: string, value: string): Promise<number> {
  return (await engine.put(path(where), bytes(value))).revision;
}

/** What is listed, as `path=value`. */
export async function listed(
  engine: Engine,
  prefix: string,
  options?: ListOptions,
): Promise<string[]> {
  const entries: string[] = [];
  for await (const entry of engine.list(path(prefix), options)) entries.push(showEntry(entry));
  return entries;
}

function showEntry(entry: EngineEntry): string {
  return `${formatPath(entry.path)}=${text(entry.value)}`;
}

/** One event on one line: `put a.b=1`, `delete a.b`, `ready`, `reset history`. */
export function showEvent(event: EngineEvent): string {
  switch (event.type) {
    case "put":
      return `put ${showEntry(event.entry)}`;
    case "delete":
      return `delete ${formatPath(event.entry.path)}`;
    case "reset":
      return `reset ${event.cause}`;
    case "ready":
    case "stale":
    case "live":
      return event.type;
    default:
      return "";
  }
}

/** Pulls single events out of a watch. */
export class EventReader {
  readonly watch: EngineWatch;
  readonly #batches: AsyncIterator<readonly EngineEvent[]>;
  #rest: EngineEvent[] = [];
  readonly #deadlineMs: number;

  /** @param deadlineMs how long each event may take */
  constructor(watch: EngineWatch, deadlineMs = DEADLINE_MS) {
    this.watch = watch;
    this.#deadlineMs = deadlineMs;
    this.#batches = watch[Symbol.asyncIterator]();
  }

  /** The next event; `undefined` at the end of the watch. */
  async next(): Promise<EngineEvent | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await soon(this.#batches.next(), "an event", this.#deadlineMs);
      if (done === true) return undefined;
      assert.ok(value.length > 0, "an empty batch");
      this.#rest = [...value];
    }
    return this.#rest.shift();
  }

  /** Everything up to and including the first event that `last` accepts. */
  async until(last: (event: EngineEvent) => boolean): Promise<EngineEvent[]> {
    const events: EngineEvent[] = [];
    for (;;) {
      const event = await this.next();
      if (event === undefined) {
        assert.fail(`the watch ended after ${events.map(showEvent).join(", ")}`);
      }
      events.push(event);
      if (last(event)) return events;
    }
  }

  /** As `until`, for the first event of this type, as text. */
  async show(type: EngineEvent["type"]): Promise<string[]> {
    return (await this.until((event) => event.type === type)).map(showEvent);
  }

  async stop(): Promise<void> {
    await this.#batches.return?.();
  }
}

/** Checks that `promise` fails with this code, and gives the error. */
export async function rejectsWith(
  promise: Promise<unknown>,
  code: ErrorCode,
): Promise<BanyanError> {
  const error: unknown = await promise.then(
    () => "success",
    (reason: unknown) => reason,
  );
  assert.ok(BanyanError.has(error, code), `expected ${code}, got ${String(error)}`);
  return error;
}
