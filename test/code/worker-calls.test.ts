import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { openCodeRoot } from "../../src/code/code-root.ts";
import { isCall, WorkerCalls } from "../../src/code/worker-calls.ts";
import type { Execution, Executor, RunEnd, RunRequest } from "../../src/executor/executor.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { formatPath, parsePath } from "../../src/wire/path-text.ts";
import { decodeValue } from "../../src/wire/value.ts";
import { failure, openCode } from "./code-kit.ts";

/** Takes requests, and ends them when the test says so. */
class FakeExecutor implements Executor {
  readonly kind = "fake";
  readonly requests: RunRequest[] = [];
  readonly killed: string[] = [];
  readonly #ends = new Map<string, (end: RunEnd) => void>();
  closed = false;

  start(request: RunRequest): Execution {
    const ended = deferred<RunEnd>();
    this.requests.push(request);
    this.#ends.set(request.id, ended.resolve);
    const kill = (): void => {
      this.killed.push(request.id);
      ended.resolve({ type: "cancelled" });
    };
    return { id: request.id, ended: ended.promise, kill, cancel: kill };
  }

  end(end: RunEnd): void {
    for (const resolve of this.#ends.values()) resolve(end);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.end({ type: "cancelled" });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const f = (): number => 1;

describe("WorkerCalls", () => {
  it("sends plain values as a copy, and all else by reference", async () => {
    await using kit = await openCode();
    const executor = new FakeExecutor();
    await using root = await openCodeRoot(kit.library, {}, () => executor);
    await kit.code.add("p", { code: "return 1", vars: ["a"], is_async: false });
    const calls = [root("p", { n: 1 }), root.run("p", { a: [f] })];
    executor.end({ type: "returned", value: 5 });
    expect(await Promise.all(calls)).toEqual([5, 5]);
    const [plain, held] = executor.requests;
    expect(isCall(plain?.values ?? {})).toBe(true);
    expect(decodeValue(plain?.values["given"] as Uint8Array)).toEqual([{ n: 1 }]);
    expect(plain?.host).toEqual({});
    expect(held?.values).toEqual({ binding: "named" });
    expect(held?.host).toEqual({ given: { a: [f] } });
    expect(plain?.code).toBe(held?.code);
  });

  it("calls the version that is live, and tells what is wrong before it starts anything", async () => {
    await using kit = await openCode();
    const executor = new FakeExecutor();
    await using root = await openCodeRoot(kit.library, {}, () => executor);
    await kit.code.add("p", { code: "return 1", is_async: false });
    void (root("p") as Promise<unknown>).catch(() => {});
    await kit.code.add("p", { code: "return 2", is_async: false });
    void (root("p") as Promise<unknown>).catch(() => {});
    const keys = executor.requests.map(({ code }) => (code as { key: string }).key);
    expect(new Set(keys).size).toBe(2);
    await kit.store({ "proc:p": { code: "return +", is_async: false } });
    expect((await failure(() => root("p"))).code).toBe("CODE_SYNTAX");
    expect(executor.requests).toHaveLength(2);
  });

  it.each([
    [{ type: "threw", error: new RangeError("far") }, "far"],
    [{ type: "crashed", error: new Error("exited") }, "exited"],
    [{ type: "lost", error: new Error("gone") }, "gone"],
    [{ type: "cancelled" }, "the code root is closed"],
  ] satisfies [RunEnd, string][])("rejects where it ended as %j", async (end, message) => {
    await using kit = await openCode();
    const executor = new FakeExecutor();
    const calls = new WorkerCalls(() => executor);
    await kit.code.add("p", { code: "return 1", is_async: false });
    const call = calls.procedure(kit.library, parsePath("p")).call([]);
    executor.end(end);
    expect((await failure(() => call)).message).toBe(message);
    await calls.close();
  });

  it("close() gives calls five seconds, then ends them with what they run in", async () => {
    await using kit = await openCode();
    const clock = new ManualClock();
    const executor = new FakeExecutor();
    const calls = new WorkerCalls(() => executor, clock);
    await kit.code.add("p", { code: "return 1", is_async: false });
    const procedure = calls.procedure(kit.library, parsePath("p"));
    expect([procedure.name, formatPath(parsePath("p"))]).toEqual(["p", "p"]);
    const call = failure(() => procedure.call([]));
    const closing = calls.close();
    await clock.advanceAsync(4_999);
    expect(executor.closed).toBe(false);
    await clock.advanceAsync(1);
    await closing;
    expect(executor.closed).toBe(true);
    expect(await call).toMatchObject({ code: "EXECUTOR_CLOSED" });
    expect(await failure(() => procedure.call([]))).toMatchObject({ code: "EXECUTOR_CLOSED" });
    expect(clock.pending).toBe(0);
  });

  it("opens nothing before the first call", async () => {
    let opened = 0;
    const calls = new WorkerCalls(() => {
      opened++;
      return new FakeExecutor();
    });
    await calls.close();
    expect(opened).toBe(0);
  });
});
