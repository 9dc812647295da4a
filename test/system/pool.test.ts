/** Code that blocks, in real threads of the built package. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "./kit.ts";
import { openPool } from "./pool-kit.ts";

/** Resolves when `question` says so; asks again with each turn of the event loop. */
async function until(question: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!question()) {
    if (performance.now() > deadline) throw new Error("waited in vain");
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

describe("Pool: what the code gets", () => {
  it("_client, _self and _info give their answers at once, and the reader waits for events", async () => {
    await using kit = openPool({
      copy: `
        _self.watch("from")
        const seen = []
        for (const event of _info) {
          seen.push(event.type)
          if (event instanceof _cls.ReadyMsg) _self.progress("ready")
          if (event instanceof _cls.ChangeMsg && event.value === 42) {
            _client.set("to", { value: event.value, before: event.previous })
            break
          }
        }
        _self.setupDone()
        return [seen, _client.get("to").before, _client.get("none"), _self.job.name, _self.token]`,
    });
    await kit.tree.set("from", 13);
    const run = kit.start("copy");
    await run.reached("ready");
    await kit.tree.set("from", 42);
    expect(await run.execution.ended).toEqual({
      type: "returned",
      value: [["change", "ready", "change"], 13, undefined, "copy", 1],
    });
    expect(await kit.tree.get("to")).toEqual({ value: 42, before: 13 });
  });

  it("lists, walks, deletes, and reads changes and messages one by one", async () => {
    await using kit = openPool({
      all: `
        for (let i = 0; i < 600; i++) _client.set(["n", i], i)
        const listed = [..._client.list("n")].length
        let walked = 0
        for (const entry of _client.walk("n")) if (++walked === 300) break
        const deleted = _client.delete("n", { recursive: true }).changed
        const changes = _client.watch("other", { current: false })
        const messages = _client.subscribe("topic")
        _self.monitor("topic")
        _self.progress("up")
        const change = [...take(changes, 2)].map((event) => event.entry?.value ?? event.type)
        const message = messages.next().value
        messages.close()
        const event = _info.next().value
        const none = _info.length
        return { listed, walked, deleted, change, message: message.value, event: event.value, none }
        function* take(source, n) { for (const item of source) { yield item; if (--n === 0) return } }`,
    });
    const run = kit.start("all");
    await run.reached("up");
    await kit.tree.set("other", 5);
    await kit.tree.publish("topic", { said: "hi" });
    const end = await run.execution.ended;
    expect(end).toMatchObject({
      value: { listed: 600, walked: 300, deleted: true, message: { said: "hi" }, none: 0 },
    });
    expect(end).toMatchObject({ value: { event: { said: "hi" }, change: ["ready", 5] } });
    await run.closed;
    expect(run.host.open).toBe(0);
  });

  it("a timer is waited for, stopped and started again, and is in _info", async () => {
    await using kit = openPool({
      timers: `
        const timer = _self.timer(0.01)
        const first = timer.wait()
        const told = _info.next().value
        timer.run(0.01)
        const again = _info.next().value.timer === timer
        const off = _self.timer(1000)
        return [first, told.type, again, timer.wait(), off.cancel(), off.cancel(), off.wait(), _self.timer(0).wait()]`,
    });
    expect(await kit.start("timers").execution.ended).toEqual({
      type: "returned",
      value: [true, "timer", true, true, true, false, false, false],
    });
  });

  it("_log and the console reach the run's log while the code blocks, in order", async () => {
    await using kit = openPool({
      logs: `
        _log.info("one", { a: 1 })
        console.error("two")
        process.stdout.write("three\\nfo")
        process.stdout.write("ur")
        _self.progress("up")
        for (const event of _info);`,
    });
    const run = kit.start("logs");
    await run.reached("up");
    expect(run.lines.map(({ level, text }) => `${level} ${text}`)).toEqual([
      "info one",
      "error two",
      "info three",
    ]);
    run.execution.cancel(new Error("enough"));
    await run.execution.ended;
    expect(run.lines.at(-1)).toMatchObject({ text: "four" });
  });

  it("_self.error() puts a failure on record, and what can't be is refused where the code stands", async () => {
    await using kit = openPool({
      fails: `_self.error(new RangeError("no sensor"), { pin: 4 })`,
      stores: `\n_client.set("a", () => 1)`,
      spawns: `_self.spawn("fails")`,
    });
    const run = kit.start("fails");
    expect(await run.execution.ended).toMatchObject({ error: { message: "no sensor" } });
    expect(run.host.errorRecorded).toBe(true);
    const stored = await kit.start("stores").execution.ended;
    expect(stored).toMatchObject({ type: "threw", error: { code: "TREE_BAD_VALUE" } });
    expect((stored as { error: Error }).error.stack).toContain("tree:stores:2:");
    expect(await kit.start("spawns").execution.ended).toMatchObject({
      error: { message: expect.stringContaining("is_async: true") },
    });
  });
});

describe("Pool: threads", () => {
  it("are used again, one run after the other, with the modules as they are", async () => {
    await using kit = openPool(
      {
        counts: `import { next } from "tree:counter"\nreturn next()`,
        "module:counter": `let n = 0\nexport const next = () => ++n`,
      },
      { maxThreads: 1 },
    );
    const runs = [1, 2, 3].map(() => kit.start("counts"));
    const ends = await Promise.all(runs.map(({ execution }) => execution.ended));
    expect(ends).toEqual([1, 2, 3].map((value) => ({ type: "returned", value })));
    expect(kit.pool.stats().threads).toBe(1);
  });

  it("end when they are idle", async () => {
    await using kit = openPool({ fine: `return 1` }, { idleMs: 20 });
    await kit.start("fine").execution.ended;
    await until(() => kit.pool.stats().threads === 0);
    expect((await kit.start("fine").execution.ended).type).toBe("returned");
  });

  it("a run that waits for one is cancelled without it, and too many are refused", async () => {
    await using kit = openPool(
      { waits: `_self.progress("up"); for (const event of _info);`, writes: `_self.set("a", 1)` },
      { maxThreads: 1, maxWaiting: 1 },
    );
    const first = kit.start("waits");
    await first.reached("up");
    const second = kit.start("writes");
    expect(() => kit.start("writes")).toThrow("wait for one");
    second.execution.cancel("enough", { graceMs: 0 });
    expect(await second.execution.ended).toEqual({ type: "cancelled" });
    first.execution.cancel("enough");
    await first.execution.ended;
    expect(await kit.tree.get("a")).toBeUndefined();
  });

  it("what a run left behind does not harm the next: timers end, an exit does nothing", async () => {
    await using kit = openPool(
      {
        leaves: `
          setInterval(() => { throw new Error("a timer went on") }, 1)
          setImmediate(() => process.exit(9))
          return 1`,
        next: `const t = Date.now() + 50; while (Date.now() < t); return new Promise((resolve) => setTimeout(() => resolve(2), 20))`,
      },
      { maxThreads: 1 },
    );
    expect(await kit.start("leaves").execution.ended).toMatchObject({ type: "returned" });
    expect(await kit.start("next").execution.ended).toEqual({ type: "returned", value: 2 });
  });

  it("one whose code fails beside its main line fails that run, and is ended where it goes on", async () => {
    await using kit = openPool({
      beside: `setTimeout(() => { throw new RangeError("beside") }, 1); return new Promise(() => {})`,
      fine: `return 1`,
    });
    const end = await kit.start("beside").execution.ended;
    expect(end).toMatchObject({ type: "threw", error: { message: "beside" } });
    expect(await kit.start("fine").execution.ended).toEqual({ type: "returned", value: 1 });
  });

  it("one that can't be started costs its run, and tells why", async () => {
    await using kit = openPool(
      { fine: `return 1` },
      { entry: new URL("file:///no/such/entry.js") },
    );
    expect(await kit.start("fine").execution.ended).toMatchObject({
      type: "lost",
      error: { code: "EXECUTOR_LOST", message: "no thread could be started" },
    });
  });
});

describe("Pool: code that runs away", () => {
  it("sees in a loop that waits for nothing that it is cancelled", async () => {
    using folder = temporaryFolder();
    const began = join(folder.path, "began");
    await using kit = openPool({
      loops: `import { writeFileSync } from "node:fs"
        writeFileSync(began, "")
        while (!_self.cancelled);
        throw new Error("stopped")`,
    });
    const run = kit.start("loops", { began });
    await until(() => existsSync(began));
    run.execution.cancel("enough", { graceMs: 1e9 });
    expect(await run.execution.ended).toEqual({ type: "cancelled" });
    expect(kit.pool.stats().threads).toBe(1);
  });

  it("has ended only when its thread is gone, also from a native call", async () => {
    using folder = temporaryFolder();
    const [began, file] = [join(folder.path, "began"), join(folder.path, "written")];
    await using kit = openPool({
      calls: `import { execSync } from "node:child_process"
        execSync(\`touch \${began}; sleep 0.5; touch \${file}\`)
        for (;;);`,
    });
    const run = kit.start("calls", { began, file });
    await until(() => existsSync(began));
    run.execution.kill();
    expect(await run.execution.ended).toEqual({ type: "cancelled" });
    expect(existsSync(file)).toBe(true);
  });

  it("is no stall, but can be cancelled; the others go on, and so does this thread", async () => {
    await using kit = openPool({
      spins: `_self.progress("up"); for (;;);`,
      waits: `_self.progress("up"); for (const event of _info) return event.value;`,
    });
    const [spins, waits] = [kit.start("spins"), kit.start("waits")];
    await Promise.all([spins.reached("up"), waits.reached("up")]);
    spins.execution.cancel("enough", { graceMs: 10 });
    expect(await spins.execution.ended).toEqual({ type: "cancelled" });
    waits.execution.cancel(new Error("enough"));
    expect(await waits.execution.ended).toEqual({ type: "cancelled" });
  });

  it.each([
    ["as objects", `for (;;) all.push(new Array(1e5).fill({}))`],
    ["in large pieces", `for (;;) all.push(new Array(2e7).fill(1))`],
    ["as buffers", `for (;;) all.push(Buffer.alloc(5e7, 1))`],
  ])("memory taken %s ends its thread, and no other", async (_, code) => {
    await using kit = openPool(
      {
        hog: `const all = []; ${code}`,
        waits: `_self.progress("up"); for (const event of _info);`,
        fine: `return 1`,
      },
      { memoryMb: 128 },
    );
    const waits = kit.start("waits");
    await waits.reached("up");
    expect(await kit.start("hog").execution.ended).toMatchObject({
      type: "crashed",
      error: { code: "EXECUTOR_MEMORY", message: expect.stringContaining("may hold 128 MB") },
    });
    expect(await kit.start("fine").execution.ended).toEqual({ type: "returned", value: 1 });
    waits.execution.cancel(new Error("enough"));
    expect(await waits.execution.ended).toEqual({ type: "cancelled" });
  });

  it("memory that is taken beside other computing code is charged to the code that takes it, where the thread can tell", async () => {
    await using kit = openPool(
      {
        hog: `const all = []; for (;;) all.push(new Array(1e6).fill(1))`,
        computes: `_self.progress("up"); for (;;) if (_self.cancelled) throw new Error("stopped")`,
      },
      { memoryMb: 128 },
    );
    const computes = kit.start("computes");
    await computes.reached("up");
    const hog = await kit.start("hog").execution.ended;
    expect(hog).toMatchObject({ error: { code: "EXECUTOR_MEMORY" } });
    // Node before 22.16 has nobody to ask, so that all are ended that compute.
    const canTell = "getHeapStatistics" in Worker.prototype;
    if (canTell) computes.execution.cancel(new Error("enough"));
    const [ends, other] = canTell ? ["crashed", "cancelled"] : ["lost", "lost"];
    expect([hog.type, (await computes.execution.ended).type]).toEqual([ends, other]);
  });
});
