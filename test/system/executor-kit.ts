import { expect } from "vitest";

import { compile } from "../../src/code/compile.ts";
import { checkEntry } from "../../src/code/entry.ts";
import { resolveBase } from "../../src/code/external.ts";
import { planGraph } from "../../src/code/graph.ts";
import { type Shipment, unitId } from "../../src/code/unit.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Execution, Executor } from "../../src/executor/executor.ts";
import type { LogLine } from "../../src/runner/job.ts";
import type { RunValues } from "../../src/runner/kit/values.ts";
import { RunEvents } from "../../src/runner/run-events.ts";
import { RunHost } from "../../src/runner/run-host.ts";
import { Tree } from "../../src/tree/tree.ts";
import { formatPath, parsePath } from "../../src/wire/path-text.ts";
import { ROOT } from "./kit.ts";

interface TestRun {
  readonly execution: Execution;
  readonly host: RunHost;
  readonly lines: readonly LogLine[];
  /** Resolves when it has ended and its host is closed. */
  readonly closed: Promise<void>;
  /** Resolves when the code has called `_self.progress(value)`. */
  reached(value: unknown): Promise<void>;
}

export interface ExecutorKit extends AsyncDisposable {
  readonly tree: Tree;
  /** Runs the procedure `name` out of the texts that the kit was opened with. */
  start(name: string, data?: Readonly<Record<string, unknown>>): TestRun;
}

/** Sources by path; modules begin with `module:`. */
export type Sources = Readonly<Record<string, string>>;

/** Runs procedures in `executor`, which it owns, over a tree in memory. `isAsync` is how they are stored. */
export function openExecutorKit(
  executor: Executor,
  sources: Sources,
  isAsync: boolean,
): ExecutorKit {
  const tree = Tree.over(new MemoryEngine());
  const ship = shipper(sources, isAsync);
  const hosts = new Set<RunHost>();
  let runs = 0;

  function start(name: string, data: Readonly<Record<string, unknown>> = {}): TestRun {
    const id = `run${++runs}`;
    const lines: LogLine[] = [];
    const progress: unknown[] = [];
    const waiting = new Set<() => void>();
    const host = new RunHost({
      tree,
      job: parsePath(name),
      run: id,
      node: "node1",
      check: () => {},
      shipment: (path) => ship(formatPath(path)),
      on: {
        log: (more) => void lines.push(...more),
        setupDone: () => {},
        progress: (value) => {
          progress.push(value);
          for (const look of waiting) look();
        },
        fenced: () => {},
      },
    });
    hosts.add(host);
    const controller = new AbortController();
    const { signal } = controller;
    const events = new RunEvents({ host, clock: systemClock, signal });
    const values: RunValues = {
      job: parsePath(name),
      node: "node1",
      token: runs,
      run: id,
      reason: "first",
      entry: {},
      data,
      config: {},
    };
    const running = executor.start({
      id,
      name,
      code: ship(name),
      values: { ...values },
      host: isAsync ? { run: host } : { run: host, events },
    });
    // As a run of the node's does it: whoever waits for an event is told as well.
    const execution: Execution = {
      id,
      ended: running.ended,
      cancel: (reason, more) => {
        controller.abort(reason);
        running.cancel(reason, more);
      },
      kill: () => running.kill(),
    };
    const closed = closeWith(execution);
    async function closeWith({ ended }: Execution): Promise<void> {
      await ended;
      events.end(new Error("the run has ended"));
      await host.close();
      hosts.delete(host);
    }
    const reached = (value: unknown): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!progress.includes(value)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    return { execution, host, lines, closed, reached };
  }

  return {
    tree,
    start,
    [Symbol.asyncDispose]: async () => {
      await executor.close();
      await Promise.all([...hosts].map((host) => host.close()));
      await tree.close();
    },
  };
}

function shipper(sources: Sources, isAsync: boolean): (name: string) => Shipment {
  const compiled = new Map(
    Object.entries(sources).map(([name, text]) => {
      const isModule = name.startsWith("module:");
      const path = name.replace("module:", "");
      const entry = isModule ? { code: text } : { code: text, is_async: isAsync };
      const unit = compile(checkEntry(isModule ? "module" : "proc", path, entry));
      return [unitId(unit.kind, unit.name), { text, compiled: unit }] as const;
    }),
  );
  const { units, errors } = planGraph(compiled);
  expect([...errors.values()]).toEqual([]);
  return (name) => {
    const id = unitId("proc", name);
    const keyed = units.get(id);
    if (keyed === undefined) throw new Error(`no procedure ${name}`);
    return { id, key: keyed.key, units: [...units.values()], resolveFrom: resolveBase(ROOT) };
  };
}
