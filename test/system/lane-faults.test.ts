import { describe, expect, it } from "vitest";

import { openLane } from "./lane-kit.ts";

const WAITING = `await _self.progress("up"); for await (const m of _info);`;

describe("Lane: code that would end its thread", () => {
  it("process.exit() fails its own run; others are lost, and the lane goes on", async () => {
    await using kit = openLane({
      good: WAITING,
      exits: `setTimeout(() => process.exit(3), 1); ${WAITING}`,
      fine: `return 1`,
    });
    const good = kit.start("good");
    await good.reached("up");
    const end = await kit.start("exits").execution.ended;
    expect(end).toMatchObject({ type: "crashed", error: { code: "EXECUTOR_LOST" } });
    expect((end as { error: Error }).error.message).toContain('"exits" called process.exit(3)');
    expect(await good.execution.ended).toMatchObject({
      type: "lost",
      error: { code: "EXECUTOR_LOST" },
      blame: "other",
    });
    expect(await kit.start("fine").execution.ended).toEqual({ type: "returned", value: 1 });
  });

  it("too much memory ends the thread and not the node; alone there it is the run's own fault", async () => {
    const hog = `await _self.progress("up"); const all = []; for (;;) { all.push(new Array(1e5).fill({})); await null }`;
    await using kit = openLane(
      { hog, good: WAITING, fine: `return 1` },
      { memoryMb: 32, stallMs: 10_000 },
    );
    expect(await kit.start("hog").execution.ended).toMatchObject({
      type: "crashed",
      error: { code: "EXECUTOR_MEMORY" },
    });
    const good = kit.start("good");
    await good.reached("up");
    const memory = { type: "lost", error: { code: "EXECUTOR_MEMORY" }, blame: "any" };
    expect(await kit.start("hog").execution.ended).toMatchObject(memory);
    expect(await good.execution.ended).toMatchObject(memory);
    expect(await kit.start("fine").execution.ended).toEqual({ type: "returned", value: 1 });
  });

  it.each([
    ["at once, in large pieces", `for (;;) all.push(new Array(2e7).fill(1))`],
    ["between promises", `for (;;) { all.push(new Array(2e7).fill(1)); await null }`],
    ["as buffers, at once", `for (;;) all.push(Buffer.alloc(5e7, 1))`],
    [
      "as buffers, now and then",
      `for (;;) { all.push(Buffer.alloc(5e6, 1)); await _self.timer(0.01) }`,
    ],
    ["as text", `for (let i = 0; ; i++) all.push(("x" + i).repeat(1e6).split(""))`],
  ])("memory taken %s ends the thread, and this process goes on", async (_, code) => {
    await using kit = openLane(
      { hog: `const all = []; ${code}`, fine: `return 1` },
      { memoryMb: 128, stallMs: 10_000 },
    );
    expect(await kit.start("hog").execution.ended).toMatchObject({
      type: "crashed",
      error: { code: "EXECUTOR_MEMORY", message: expect.stringContaining("may hold 128 MB") },
    });
    expect(await kit.start("fine").execution.ended).toEqual({ type: "returned", value: 1 });
  });

  it("garbage does not count as memory that is held", async () => {
    await using kit = openLane(
      {
        churns: `
          let last
          for (let i = 0; i < 100; i++) {
            last = Array.from({ length: 1e5 }, (_, n) => ({ n })); last = Buffer.alloc(1e7, 1)
            await _self.timer(0.005)
          }
          return "done"`,
      },
      { memoryMb: 128 },
    );
    expect(await kit.start("churns").execution.ended).toEqual({ type: "returned", value: "done" });
  });

  it("a run that has ended can't end the thread by process.exit(); process.abort() is an error", async () => {
    await using kit = openLane({
      leaves: `import { setTimeout } from "node:timers"\nsetTimeout(() => process.exit(3), 20); return 1`,
      other: `await _self.progress("up"); await _self.timer(0.2); return 2`,
      aborts: `process.abort()`,
    });
    const other = kit.start("other");
    await other.reached("up");
    expect(await kit.start("leaves").execution.ended).toEqual({ type: "returned", value: 1 });
    expect((await kit.start("aborts").execution.ended).type).toBe("threw");
    expect(await other.execution.ended).toEqual({ type: "returned", value: 2 });
    expect(kit.warnings.join()).toContain("process.exit() does nothing");
    expect((await kit.lane.stats()).started).toBe(1);
  });

  it.each([
    ["an error in a timer", `setTimeout(() => { throw new RangeError("loose") }, 1); ${WAITING}`],
    ["a rejection nobody handles", `void Promise.reject(new RangeError("loose")); ${WAITING}`],
    [
      "a rejection in a timer",
      `setTimeout(async () => { throw new RangeError("loose") }, 1); ${WAITING}`,
    ],
  ])("%s fails its run, and disturbs no other", async (_, bad) => {
    await using kit = openLane({
      good: `await _self.progress("up"); await _self.timer(0.2); return 1`,
      bad,
    });
    const good = kit.start("good");
    await good.reached("up");
    const end = await kit.start("bad").execution.ended;
    expect(end).toMatchObject({ type: "threw", error: { message: "loose" } });
    const { error } = end as { error: Error };
    expect(error).toBeInstanceOf(RangeError);
    expect(error.stack).toContain("tree:bad:1:");
    expect(await good.execution.ended).toEqual({ type: "returned", value: 1 });
  });

  it("a failed run that goes on all the same ends with its thread", async () => {
    await using kit = openLane({
      good: WAITING,
      bad: `setTimeout(() => { throw new RangeError("loose") }, 1); await new Promise(() => {})`,
    });
    const good = kit.start("good");
    await good.reached("up");
    expect(await kit.start("bad").execution.ended).toMatchObject({
      type: "threw",
      error: { message: "loose" },
    });
    expect((await good.execution.ended).type).toBe("lost");
  });

  it("a thread that can't start loses its runs, and says why", async () => {
    const entry = new URL("no-such-entry.js", import.meta.url);
    await using kit = openLane({ fine: `return 1` }, { entry });
    for (let i = 0; i < 2; i++) {
      const end = await kit.start("fine").execution.ended;
      expect(end).toMatchObject({ type: "lost", error: { code: "EXECUTOR_LOST" } });
      expect((end as { error: Error }).error.cause).toMatchObject({
        message: expect.stringContaining("no-such-entry.js"),
      });
    }
    await expect(kit.lane.warm()).rejects.toMatchObject({ code: "REMOTE_BROKEN" });
  });

  it("what an ended run left behind reaches the log, and no other run", async () => {
    await using kit = openLane({
      // Not the global one, which would end with the run.
      leaves: `import { setTimeout } from "node:timers"\nsetTimeout(() => { throw new Error("late") }, 20); return 1`,
      other: `await _self.progress("up"); await _self.timer(0.2); return 2`,
    });
    const other = kit.start("other");
    await other.reached("up");
    expect(await kit.start("leaves").execution.ended).toEqual({ type: "returned", value: 1 });
    expect(await other.execution.ended).toEqual({ type: "returned", value: 2 });
    expect(kit.warnings.join()).toContain("late");
  });
});

describe("Lane: what code prints", () => {
  it("is in its run's log, and in nobody else's", async () => {
    await using kit = openLane({
      prints: `
        console.log("log %d", n); await null; console.warn("warn"); console.error(new Error("shown"));
        setTimeout(() => console.debug({ a: 1 }), 1); await _self.timer(0.05);
        process.stdout.write("half a "); process.stdout.write("line\\n"); console.table([[n]]);
        const umlaut = Buffer.from("ö"); process.stdout.write(umlaut.subarray(0, 1));
        process.stdout.write(umlaut.subarray(1)); process.stdout.write("no end")`,
    });
    const runs = [1, 2].map((n) => kit.start("prints", { n }));
    for (const run of runs) expect((await run.execution.ended).type).toBe("returned");
    for (const [index, run] of runs.entries()) {
      const lines = run.lines.map(({ level, text }) => `${level} ${text.split("\n")[0]}`);
      expect(lines.slice(0, 5)).toEqual([
        `info log ${index + 1}`,
        "warn warn",
        "error Error: shown",
        "debug { a: 1 }",
        "info half a line",
      ]);
      expect(run.lines[5]?.text).toContain(`│ ${index + 1}`);
      expect(run.lines.at(-1)).toMatchObject({ level: "info", text: "öno end" });
    }
    expect(kit.warnings).toEqual([]);
  });
});

describe("Lane: what runs leave behind", () => {
  it("1,000 runs with watches, timers, monitors and tasks leave no reference and no stream", async () => {
    await using kit = openLane({
      busy: `
        await _self.watch("a"); await _self.monitor("b"); _self.timer(1000)
        await _self.spawn((signal) => new Promise((resolve) => signal.addEventListener("abort", resolve)))
        const { value } = await _info.next()
        setInterval(() => {}, 1)
        return value.value`,
    });
    await kit.tree.set("a", 1);
    await kit.start("busy").closed;
    const before = await kit.lane.stats();
    const hosts = [];
    for (let round = 0; round < 20; round++) {
      const runs = Array.from({ length: 50 }, () => kit.start("busy"));
      hosts.push(...runs.map(({ host }) => host));
      for (const { execution, closed } of runs) {
        expect(await execution.ended).toEqual({ type: "returned", value: 1 });
        await closed;
      }
    }
    expect(await kit.lane.stats()).toEqual(before);
    expect(hosts.filter(({ open }) => open > 0)).toEqual([]);
    expect(before).toEqual({ started: 1, runs: 0, references: 0 });
  });
});
