import { describe, expect, it } from "vitest";

import type { RunEnd } from "../../src/executor/executor.ts";
import { openLane } from "./lane-kit.ts";

function framesOf(end: RunEnd): readonly string[] {
  return end.type === "stalled" ? end.place.frames : [];
}

describe("Lane: what a run ends with", () => {
  it("is what the code returned", async () => {
    await using kit = openLane({
      "forty.two": `import { double } from "tree:math"\nreturn { sum: double(half), path: _self.job }`,
      "module:math": `export function double(x: number) { return 2 * x }`,
    });
    const { ended } = kit.start("forty.two", { half: 21 }).execution;
    expect(await ended).toMatchObject({ type: "returned", value: { sum: 42 } });
  });

  it("is what the code threw, with class, code, cause, and the stored place", async () => {
    await using kit = openLane({
      "it.throws": `\n  throw Object.assign(new RangeError("too far", { cause: new TypeError("why") }), { code: "E_FAR" })`,
    });
    const end = await kit.start("it.throws").execution.ended;
    expect(end).toMatchObject({ type: "threw", error: { message: "too far", code: "E_FAR" } });
    const { error } = end as { error: RangeError };
    expect(error).toBeInstanceOf(RangeError);
    expect(error.cause).toBeInstanceOf(TypeError);
    expect(error.stack).toContain("tree:it.throws:2:");
  });

  it("is an error where a variable is missing or the result can't be kept, and the lane goes on", async () => {
    await using kit = openLane({
      "no.value": `return () => 1`,
      "bad.import": `import { x } from "no-such-package"\nreturn x`,
      good: `return 1`,
    });
    expect(await kit.start("no.value").execution.ended).toMatchObject({
      type: "threw",
      error: { code: "RUNNER_BAD_RESULT" },
    });
    expect(await kit.start("bad.import").execution.ended).toMatchObject({
      type: "threw",
      error: { code: "CODE_EXTERNAL" },
    });
    expect(await kit.start("good").execution.ended).toEqual({ type: "returned", value: 1 });
    expect((await kit.lane.stats()).started).toBe(1);
  });

  it("reads and writes the tree through the kit", async () => {
    await using kit = openLane({
      copy: `
        await _self.watch("from")
        for await (const message of _info) {
          if (message instanceof _cls.ChangeMsg && message.value === 42) {
            await _client.set("to", { value: message.value, before: message.previous })
            return (await _self.spawn("other", { x: 1 })).result
          }
          if (message.type === "ready") await _self.progress("ready")
        }`,
      other: `return x + 1`,
    });
    await kit.tree.set("from", 13);
    const run = kit.start("copy");
    await run.reached("ready");
    await kit.tree.set("from", 42);
    expect(await run.execution.ended).toEqual({ type: "returned", value: 2 });
    expect(await kit.tree.get("to")).toEqual({ value: 42, before: 13 });
  });
});

describe("Lane: a run that blocks the thread", () => {
  const WAITING = `await _self.progress("up"); for await (const m of _info);`;

  it("is stalled with its procedure and line; another run there is lost and can start again", async () => {
    await using kit = openLane({
      good: WAITING,
      "is.bad": `await _self.progress("up")\n\nfor (;;) {}`,
      returns: `return 7`,
    });
    const good = kit.start("good");
    await good.reached("up");
    const bad = kit.start("is.bad");
    const end = await bad.execution.ended;
    expect(end).toMatchObject({ type: "stalled", place: { runId: bad.execution.id } });
    expect(framesOf(end)[0]).toMatch(/^tree:is\.bad:3:\d+$/);
    expect(await good.execution.ended).toMatchObject({
      type: "lost",
      error: { code: "EXECUTOR_STALLED" },
    });
    expect(await kit.start("returns").execution.ended).toEqual({ type: "returned", value: 7 });
    expect((await kit.lane.stats()).started).toBe(2);
  });

  it("is told from another run of the same procedure", async () => {
    await using kit = openLane({
      same: `await _self.progress("up")\nif (loop) { for (;;) {} }\nfor await (const m of _info);`,
    });
    const runs = [false, true, false].map((loop) => kit.start("same", { loop }));
    const ends = await Promise.all(runs.map((run) => run.execution.ended));
    expect(ends.map(({ type }) => type)).toEqual(["lost", "stalled", "lost"]);
    expect(ends[1]).toMatchObject({ place: { runId: runs[1]?.execution.id } });
  });

  it("is told where the loop is in an imported module that others use too", async () => {
    await using kit = openLane({
      good: `import { spin } from "tree:shared"\nspin(3)\n${WAITING}`,
      bad: `import { spin } from "tree:shared"\nawait _self.progress("up")\nspin(Infinity)`,
      "module:shared": `export function spin(n: number) {\n  for (let i = 0; i < n; i++);\n}`,
    });
    const good = kit.start("good");
    await good.reached("up");
    const bad = kit.start("bad");
    const end = await bad.execution.ended;
    expect(end).toMatchObject({ type: "stalled", place: { runId: bad.execution.id } });
    const frames = framesOf(end);
    expect(frames[0]).toMatch(/^tree:shared:2:/);
    expect(frames[1]).toMatch(/^tree:bad:3:/);
    expect((await good.execution.ended).type).toBe("lost");
  });

  it.each([
    ["a timer's callback", `setTimeout(() => {\n for (;;) {}\n}, 1); ${WAITING}`],
    ["a promise's callback", `Promise.resolve().then(() => {\n for (;;) {}\n}); ${WAITING}`],
    [
      "microtasks without end",
      `const next = async () => {\n await null; return next()\n}; ${WAITING.replace("for", "next(); for")}`,
    ],
    [
      "a regular expression",
      `setTimeout(() => {\n /^(a+)+$/.test("a".repeat(50) + "b")\n}, 1); ${WAITING}`,
    ],
    [
      "Atomics.wait",
      `setTimeout(() => {\n Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)\n}, 1); ${WAITING}`,
    ],
    [
      "an event's listener",
      `const { EventEmitter } = await import("node:events"); const e = new EventEmitter(); e.on("x", () => {\n for (;;) {}\n}); setImmediate(() => e.emit("x")); ${WAITING}`,
    ],
  ])("is told where it is in %s", async (_, bad) => {
    await using kit = openLane({ good: WAITING, bad });
    const good = kit.start("good");
    await good.reached("up");
    const run = kit.start("bad");
    const end = await run.execution.ended;
    expect(end).toMatchObject({ type: "stalled", place: { runId: run.execution.id } });
    expect(framesOf(end)[0]).toMatch(/^tree:bad:\d+:/);
    expect((await good.execution.ended).type).toBe("lost");
  });

  it("is told where it is in a native call, when that is over", async () => {
    await using kit = openLane({
      good: WAITING,
      bad: `import { execSync } from "node:child_process"\nawait _self.progress("up")\nexecSync("sleep 1.5")\nfor (;;) {}`,
    });
    const good = kit.start("good");
    await good.reached("up");
    const end = await kit.start("bad").execution.ended;
    expect(end).toMatchObject({ type: "stalled", place: { runId: "run2" } });
    expect((await good.execution.ended).type).toBe("lost");
  });

  it("does not disturb another lane, nor this thread", async () => {
    await using other = openLane({
      good: `await _self.progress("up"); await _self.timer(1.2); return 1`,
    });
    await using kit = openLane({ bad: `for (;;) {}` });
    const good = other.start("good");
    await good.reached("up");
    let longest = 0;
    let before = performance.now();
    const beat = setInterval(() => {
      longest = Math.max(longest, performance.now() - before);
      before = performance.now();
    }, 5);
    expect((await kit.start("bad").execution.ended).type).toBe("stalled");
    clearInterval(beat);
    expect(await good.execution.ended).toEqual({ type: "returned", value: 1 });
    // The other thread was blocked for a second.
    expect(longest).toBeLessThan(800);
  });
});

describe("Lane: cancel", () => {
  it("lets code stop by itself, and nobody else is lost", async () => {
    await using kit = openLane({
      stops: `
        await _self.progress("up")
        try { for await (const m of _info); } catch (error) {
          await _self.set("why", error.message); throw error
        }`,
      other: `await _self.progress("up"); await _self.timer(0.3); return 1`,
    });
    const other = kit.start("other");
    const run = kit.start("stops");
    await run.reached("up");
    await other.reached("up");
    run.execution.cancel(new Error("enough"));
    expect(await run.execution.ended).toEqual({ type: "cancelled" });
    expect(await kit.tree.get("why")).toBe("enough");
    expect(await other.execution.ended).toEqual({ type: "returned", value: 1 });
  });

  it("ends the thread of code that does not listen, after the grace; others are lost", async () => {
    await using kit = openLane({
      deaf: `await _self.progress("up"); await new Promise(() => {})`,
      other: `await _self.progress("up"); for await (const m of _info);`,
    });
    const other = kit.start("other");
    const run = kit.start("deaf");
    await run.reached("up");
    await other.reached("up");
    run.execution.cancel("enough", { graceMs: 100 });
    expect(await run.execution.ended).toEqual({ type: "cancelled" });
    expect(await other.execution.ended).toMatchObject({
      type: "lost",
      error: { code: "EXECUTOR_LOST" },
    });
  });

  it("is seen by a loop that never yields", async () => {
    await using kit = openLane(
      { loop: `await _self.progress("up"); while (!_self.cancelled); throw new Error("stopped")` },
      { stallMs: 20_000 },
    );
    const run = kit.start("loop");
    await run.reached("up");
    run.execution.cancel("enough", { graceMs: 20_000 });
    expect(await run.execution.ended).toEqual({ type: "cancelled" });
    expect((await kit.lane.stats()).started).toBe(1);
  });

  it("before the thread is up starts nothing", async () => {
    await using kit = openLane({ writes: `await _self.set("a", 1)` });
    const run = kit.start("writes");
    run.execution.cancel("enough");
    run.execution.cancel("enough");
    expect(await run.execution.ended).toEqual({ type: "cancelled" });
    expect(await kit.tree.get("a")).toBeUndefined();
  });

  it("kill() ends it now, and close() ends all as cancelled", async () => {
    await using kit = openLane({
      waits: `await _self.progress("up"); await new Promise(() => {})`,
    });
    const run = kit.start("waits");
    await run.reached("up");
    run.execution.kill();
    expect(await run.execution.ended).toEqual({ type: "cancelled" });
    const next = kit.start("waits");
    await next.reached("up");
    await kit.lane.close();
    expect(await next.execution.ended).toEqual({ type: "cancelled" });
    expect(() => kit.start("waits")).toThrow("is closed");
  });
});
