/** DistKV's cases of what the code of a job is given, on node processes over a hub. */
import { parsePath, TreeConfig } from "banyan";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { Cluster } from "./cluster.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.open("n1", "n2");
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** Runs code as a job, to its end. */
async function result(
  job: string,
  code: string,
  data: object = {},
  more: object = {},
): Promise<unknown> {
  await cluster.proc(job, code, { vars: Object.keys(data), ...more });
  await cluster.jobs.set(job, { code: job, data });
  const state = await cluster.stopped(job);
  expect(state).toMatchObject({ backoff: 0 });
  return state.result;
}

/** Notes what comes in `_info` up to the event `last`. */
const NOTES = (last: string): string => `
  const notes = [];
  for await (const event of _info) {
    const { type, path, value, previous, count } = event;
    notes.push([type, path?.join(".") ?? count, value, previous]);
    if (${last}) return notes;
    if (type === "ready") await _self.progress("ready");
  }`;

function ready(job: string): Promise<unknown> {
  return cluster.until(`${job} to be ready`, async () => {
    return (await cluster.jobs.state(job))?.progress === "ready";
  });
}

describe("CX: what the code gets", () => {
  it("CX1, CX3: present values, one ready with the count of watches, changes, and deletions", async () => {
    const { tree } = cluster;
    await tree.set("cx1.a", 1);
    await tree.set("cx1.b.c", 2);
    const job = result(
      "cx1.job",
      `await _self.watch("cx1.a"); await _self.watch("cx1.b", { maxDepth: 5 });
       ${NOTES('path?.join(".") === "cx1.b" && value === "end"')}`,
    );
    await ready("cx1.job");
    await tree.set("cx1.a", 10);
    await tree.set("cx1.a.deeper", "not watched");
    await tree.delete("cx1.b.c");
    await tree.set("cx1.b.d", null);
    await tree.set("cx1.b", "end");
    const notes = (await job) as unknown[][];
    const present = notes.slice(0, 2).sort((a, b) => (String(a[1]) < String(b[1]) ? -1 : 1));
    expect(present).toEqual([
      ["change", "cx1.a", 1, undefined],
      ["change", "cx1.b.c", 2, undefined],
    ]);
    expect(notes[2]).toEqual(["ready", 2, undefined, undefined]);
    // Each watch is in order; between two of them there is none.
    const changes = notes.slice(3);
    expect(changes.filter(([, path]) => path === "cx1.a")).toEqual([["change", "cx1.a", 10, 1]]);
    expect(changes.filter(([, path]) => path !== "cx1.a")).toEqual([
      ["change", "cx1.b.c", undefined, 2],
      ["change", "cx1.b.d", null, undefined],
      ["change", "cx1.b", "end", undefined],
    ]);
  });

  it("CX4, CX5: a timer fires when it is due; run() starts it anew, cancel() says if it ran", async () => {
    const seconds = (await result(
      "cx4",
      `const begin = performance.now();
       const timer = _self.timer(1);
       const reference = _self.timer(1);
       const quick = _self.timer(0.05);
       const { value: first } = await _info.next();
       if (first.timer !== quick) throw new Error("not the quick one");
       timer.run(0.5);
       const { value: second } = await _info.next();
       if (second.type !== "timer" || second.timer !== timer) throw new Error("not the timer");
       const took = (performance.now() - begin) / 1000;
       const { value: third } = await _info.next();
       if (third.timer !== reference) throw new Error("not the one that was let run");
       timer.run(9);
       const answers = [timer.cancel(), timer.cancel()];
       return { took, answers };`,
    )) as { took: number; answers: boolean[] };
    expect(seconds.answers).toEqual([true, false]);
    expect(seconds.took).toBeGreaterThan(0.54);
  });

  it("CX7: who leaves 1,000 events unread gets them, then RUNNER_OVERFLOW, which is on record", async () => {
    const { tree } = cluster;
    const code = `
      await _self.watch("cx7.in", { maxDepth: 1 });
      for await (const event of _info) if (event.type === "ready") break;
      await _self.progress("ready");
      while (_info.length < 1_000) await _self.timer(0.02);
      await _self.timer(0.01);
      let count = 0;
      try {
        for await (const _event of _info) count += 1;
      } catch (error) {
        await _client.set("cx7.out", { count, code: error.code });
        throw error;
      }`;
    await cluster.proc("cx7.job", code);
    await cluster.jobs.set("cx7.job", { code: "cx7.job" });
    await ready("cx7.job");
    await Promise.all(Array.from({ length: 1_100 }, (_, i) => tree.set(["cx7", "in", i], i)));
    expect(await cluster.value("cx7.out")).toEqual({ count: 1_000, code: "RUNNER_OVERFLOW" });
    expect(await cluster.stopped("cx7.job")).toMatchObject({ backoff: 1 });
    const record = await cluster.record("run", "cx7.job");
    expect(record).toMatchObject({ code: "RUNNER_OVERFLOW", count: 1 });
    await cluster.jobs.remove("cx7.job");
  });

  it("CX11: get() of what is not there is undefined", async () => {
    const code = `return [typeof await _self.get("no.such"), typeof await _client.entry("no.such")]`;
    expect(await result("cx11", code)).toEqual(["undefined", "undefined"]);
  });

  it("CX13: code has its names, its variables and the extra data", async () => {
    const names = "_client _cfg _entry _info _self _log _cls _P _Path one two".split(" ");
    const kinds = names.map((name) => `${name}: typeof ${name}`).join(", ");
    await cluster.proc(
      "cx13",
      `_log.info("hello", { a: 1 }); return { ${kinds}, one, two, job: _self.job.length, entry: _entry.path.name, none: typeof three }`,
      {
        vars: ["one"],
      },
    );
    await cluster.jobs.set("cx13", { code: "cx13", data: { one: 1, two: [2] } });
    const state = await cluster.stopped("cx13");
    expect(state.result).toEqual({
      ...Object.fromEntries(names.map((name) => [name, "object"])),
      _P: "function",
      _Path: "function",
      one: 1,
      two: [2],
      job: 1,
      entry: "cx13",
      none: "undefined",
    });
    const lines = await cluster.until("the log", async () => {
      const found = await cluster.jobs.logs("cx13");
      return found.length > 0 && found;
    });
    expect(lines).toMatchObject([{ level: "info", text: "hello", fields: { a: 1 } }]);
  });

  it("CF1: _cfg has the tree's settings as they are when a run begins", async () => {
    await using config = await TreeConfig.open(cluster.tree);
    const { revision } = await config.set("hoo", { deep: [1n] });
    await cluster.proc("cf1", "return [_cfg.hoo, Object.keys(_cfg)]");
    await cluster.jobs.set("cf1", { code: "cf1" });
    const first = await cluster.stopped("cf1");
    expect(first.result).toEqual([{ deep: [1n] }, ["hoo"]]);
    await config.waitFor(revision);
    expect(config.get("hoo")).toEqual({ deep: [1n] });
    await config.delete("hoo");
  });

  it("MS4: send() takes a value or raw bytes; both, or none, is a usage error", async () => {
    const heard = cluster.tree.subscribe("ms4", { raw: true });
    await heard.ready;
    const errors = await result(
      "ms4.job",
      `const errors = [];
       for (const [value, options] of [[undefined], [1, { raw: new Uint8Array(1) }]]) {
         await _self.send("ms4.x", value, options).catch((error) => errors.push(error.name));
       }
       await _self.send("ms4.x", { a: 1 });
       await _self.send("ms4.x", { raw: new Uint8Array([1, 2]) });
       return errors;`,
    );
    expect(errors).toEqual(["TypeError", "TypeError"]);
    const messages: unknown[] = [];
    for await (const { data } of heard) {
      messages.push(data.length);
      if (messages.length === 2) break;
    }
    expect(messages.at(-1)).toBe(2);
  });
});

/** Asks three times in vain, and once well. */
const asks = (wait: string): string => `
  const errors = [];
  const tried = ${wait === "" ? "(ask) => ask()" : "async (ask) => await ask()"};
  for (const [topic, value] of [["asks.no", 1], ["asks.add", "text"], ["asks.add", () => 1]]) {
    try { ${wait} tried(() => _client.request(topic, value)); }
    catch (error) { errors.push(error.code ?? error.name); }
  }
  ${wait} _client.publish("asks.heard", "hello");
  return [${wait} _client.request("asks.add", [40n, 2n], { timeoutMs: 20000 }), errors];`;

describe("_client: messages", () => {
  it("request() gives an answer or what the responder threw, in code that waits and code that blocks", async () => {
    const { tree } = cluster;
    await using adder = tree.peers.respond("asks.add", ([a, b]: [bigint, bigint]) => {
      if (typeof a !== "bigint") throw new RangeError("only bigints");
      return { sum: a + b, at: parsePath("a:2") };
    });
    await using heard = tree.subscribe("asks.heard");
    await Promise.all([adder.ready, heard.ready]);
    const errors = ["ENGINE_NO_RESPONDER", "RangeError", "TREE_BAD_VALUE"];
    const answers = [{ sum: 42n, at: parsePath("a:2") }, errors];
    expect(await result("asks.async", asks("await"))).toEqual(answers);
    expect(await result("asks.blocks", asks(""), {}, { is_async: false })).toEqual(answers);
    expect(heard.dropped).toBe(0);
    for (let n = 0; n < 2; n++) expect((await heard.next()).value?.value).toBe("hello");
  });

  it("respond() answers until the run ends", async () => {
    const { tree, jobs } = cluster;
    const job = result(
      "answers.job",
      `await _client.respond("answers.+", async (value, { topic }) => {
         if (value === "bad") throw new RangeError("bad value");
         return [topic.name, value];
       });
       await _self.monitor("answers-end");
       await _self.progress("ready");
       for await (const event of _info) if (event.type === "message") return "done";`,
    );
    await ready("answers.job");
    expect(await tree.peers.request("answers.x", 5n)).toEqual(["x", 5n]);
    await expect(tree.peers.request("answers.x", "bad")).rejects.toThrow(RangeError);
    await tree.publish("answers-end", 1);
    expect(await job).toBe("done");
    await expect(tree.peers.request("answers.x", 5)).rejects.toMatchObject({
      code: "ENGINE_NO_RESPONDER",
    });
    expect((await jobs.runs("answers.job")).length).toBe(1);
  });
});

describe("CO: code that jobs run", () => {
  it("CO4: a run whose data lacks a variable fails before its code begins, and names it", async () => {
    await cluster.proc("co4", 'await _self.set("co4.began", true); return src * factor', {
      vars: ["src", "factor"],
    });
    await cluster.jobs.set("co4", { code: "co4", data: { src: 2 } });
    expect(await cluster.stopped("co4")).toMatchObject({ backoff: 1 });
    const [run] = await cluster.jobs.runs("co4");
    expect(run?.error).toMatchObject({ code: "CODE_ARGUMENTS" });
    expect(run?.error?.message).toContain("factor");
    expect(await cluster.tree.get("co4.began")).toBeUndefined();
    await cluster.jobs.set("co4", { code: "co4", data: { src: 2, factor: 21 } });
    await cluster.jobs.run("co4");
    expect(await cluster.stopped("co4", Number(run?.token))).toMatchObject({ result: 42 });
  });

  it("CO10: code that went missing under a job is on record, and heals when it comes back", async () => {
    await cluster.jobs.set("co10", { code: "co10.code" });
    const record = await cluster.record("job", "co10");
    expect(record).toMatchObject({ code: "CODE_NOT_FOUND" });
    expect(record.message).toContain("co10.code");
    expect((await cluster.jobs.why("co10"))["-"]).toContain("co10.code");
    await cluster.proc("co10.code", "return 'back'");
    expect(await cluster.stopped("co10")).toMatchObject({ result: "back" });
    await cluster.record("job", "co10", ({ resolved }) => resolved !== undefined);
  });

  it("CO12: an error keeps name, message, and the stored place in TypeScript", async () => {
    await cluster.proc(
      "co12",
      "type N = number;\nconst limit: N = 3;\nif (limit > 2) throw new RangeError(`over ${limit}`);",
    );
    await cluster.jobs.set("co12", { code: "co12" });
    await cluster.stopped("co12");
    const [run] = await cluster.jobs.runs("co12");
    expect(run?.error).toMatchObject({ name: "RangeError", message: "over 3" });
    expect(run?.error?.stack).toContain("tree:co12:3:22");
    await cluster.jobs.remove("co12");
  });

  it("CO14: a run goes on when its code breaks, says so, and no new one starts until it is mended", async () => {
    const code = "for await (const _event of _info);";
    await cluster.proc("co14", code);
    await cluster.jobs.set("co14", { code: "co14" });
    const { token } = await cluster.running("co14");
    await cluster.proc("co14", "return x +;");
    const record = await cluster.record("compile", "proc.co14");
    expect(record.message).toContain("co14:1:");
    const state = await cluster.until("a comment", async () => {
      const found = await cluster.jobs.state("co14");
      return found?.comment !== undefined && found;
    });
    expect(state).toMatchObject({ token, stopped: null });
    expect(state.comment).toMatch(/old version/);
    await cluster.jobs.cancel("co14");
    await cluster.stopped("co14");
    await cluster.jobs.run("co14");
    await result("co14.after", "return 1");
    expect(await cluster.jobs.state("co14")).toMatchObject({ token });
    await cluster.proc("co14", `${code} `);
    expect(await cluster.running("co14", token)).toMatchObject({ backoff: 0 });
    await cluster.jobs.remove("co14", { force: true });
  });
});
