import { expect } from "vitest";

import { deferred } from "../../../src/base/deferred.ts";
import type { Shipment } from "../../../src/code/unit.ts";
import { MemoryEngine } from "../../../src/engine/memory.ts";
import type { PrintLevel, RunContext } from "../../../src/executor/executor.ts";
import type { LogLine } from "../../../src/runner/job.ts";
import type { Client } from "../../../src/runner/kit/client.ts";
import type { EventQueue } from "../../../src/runner/kit/event-queue.ts";
import type { RunLog } from "../../../src/runner/kit/run-log.ts";
import { runStored } from "../../../src/runner/kit/run-stored.ts";
import type { Self } from "../../../src/runner/kit/self.ts";
import type { RunValues } from "../../../src/runner/kit/values.ts";
import { RunHost, type RunHostOptions } from "../../../src/runner/run-host.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import type { SecretKeys } from "../../../src/tree/secrets/secret-keys.ts";
import { Tree } from "../../../src/tree/tree.ts";
import { parsePath } from "../../../src/wire/path-text.ts";

/** What a body finds as variables. */
export interface Variables {
  readonly _client: Client;
  readonly _cfg: Readonly<Record<string, unknown>>;
  readonly _entry: Readonly<Record<string, unknown>>;
  readonly _info: EventQueue;
  readonly _log: RunLog;
  readonly _self: Self;
  readonly [name: string]: unknown;
}

type Body = (variables: Variables) => unknown;

interface KitRunOptions {
  readonly values?: Partial<RunValues>;
  readonly host?: Partial<RunHostOptions>;
  /** Further procedures, by path. */
  readonly procedures?: Readonly<Record<string, Body>>;
}

interface KitRun {
  /** What the code returned; rejects with what it threw. */
  readonly ended: Promise<unknown>;
  readonly host: RunHost;
  readonly seen: Readonly<{
    lines: LogLine[];
    setupDone: number;
    progress: unknown[];
    fenced: unknown[];
  }>;
  cancel(reason: unknown): void;
  /** What the code's console would print. */
  print(level: PrintLevel, text: string): void;
}

export interface Kit extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly tree: Tree;
  run(body: Body, options?: KitRunOptions): KitRun;
}

/** The kit over a run host over a tree in memory, all in this process, with functions as code. */
export function openKit(given: { readonly secretKeys?: SecretKeys } = {}): Kit {
  const clock = new ManualClock();
  const tree = Tree.over(new MemoryEngine(), { author: "test", clock, ...given });
  const hosts: RunHost[] = [];
  let runs = 0;
  let linked = 0;

  function run(body: Body, options: KitRunOptions = {}): KitRun {
    const controller = new AbortController();
    const failed = deferred<never>();
    failed.promise.catch(() => {});
    const seen = {
      lines: [] as LogLine[],
      setupDone: 0,
      progress: [] as unknown[],
      fenced: [] as unknown[],
    };
    const host = new RunHost({
      tree,
      job: parsePath("my.job"),
      run: `run${++runs}`,
      node: "node1",
      check: () => {},
      shipment: (path) => ({ id: path.join("."), key: path.join(".") }) as Shipment,
      on: {
        log: (lines) => void seen.lines.push(...lines),
        setupDone: () => void seen.setupDone++,
        progress: (value) => void seen.progress.push(value),
        fenced: (error) => void seen.fenced.push(error),
      },
      clock,
      ...options.host,
    });
    hosts.push(host);
    const prints: ((level: PrintLevel, text: string) => void)[] = [];
    const values: RunValues = {
      job: parsePath("my.job"),
      node: "node1",
      token: 7,
      run: `run${runs}`,
      reason: "first",
      entry: { code: parsePath("my.code"), repeat: 0 },
      data: {},
      config: { name: "value" },
      ...options.values,
    };
    const context: RunContext = {
      id: values.run,
      name: "my.job",
      code: { id: "main", key: "main" },
      values: { ...values },
      host: { run: host },
      signal: controller.signal,
      isCancelled: () => controller.signal.aborted,
      fail: (error) => {
        failed.reject(error);
        controller.abort(error);
      },
      onPrint: (print) => void prints.push(print),
      endLines: () => {},
    };
    const bodies: Readonly<Record<string, Body>> = { ...options.procedures, main: body };
    const code = runStored(async ({ id }) => {
      const found = bodies[id];
      if (found === undefined) throw new Error(`no procedure ${id}`);
      linked++;
      return {
        procedure: { run: (named, job) => found({ ...named, ...job } as Variables) },
        [Symbol.dispose]: () => void linked--,
      };
    }, clock);
    const ended = (async () => {
      try {
        return await Promise.race([code(context), failed.promise]);
      } finally {
        await host.close();
      }
    })();
    ended.catch(() => {});
    return {
      ended,
      host,
      seen,
      cancel: (reason: unknown) => controller.abort(reason),
      print: (level: PrintLevel, text: string) => prints.forEach((print) => print(level, text)),
    };
  }

  return {
    clock,
    tree,
    run,
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all(hosts.map((host) => host.close()));
      expect(hosts.map((host) => host.open)).toEqual(hosts.map(() => 0));
      await tree.close();
      expect(linked).toBe(0);
      expect(clock.pending).toBe(0);
    },
  };
}
