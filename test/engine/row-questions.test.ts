import { describe, expect, test } from "vitest";

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Engine, EngineEntry } from "../../src/engine/engine.ts";
import { openLmdb } from "../../src/engine/lmdb.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { answerRows, RowAnswers } from "../../src/engine/row-answers.ts";
import { bytes, path, put, rejectsWith } from "../../src/testing/engine-suite-kit.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Tree } from "../../src/tree/tree.ts";
import { encodeValue } from "../../src/wire/value.ts";
import { TestHub } from "./hub-kit.ts";

const textOf = (entry: EngineEntry | undefined): string | undefined =>
  entry && new TextDecoder().decode(entry.value);

/** A hub with `count` entries `a:0`, `a:1` and so on, whose values are their numbers. */
async function filled(count: number): Promise<TestHub> {
  const engine = new MemoryEngine();
  await Promise.all(Array.from({ length: count }, (_, i) => put(engine, `a:${i}`, `${i}`)));
  return new TestHub(engine);
}

/** Calls that a hub's client made up to now: one whose clock stands still, or it asks how its hub does, too. */
const callsOf = (hub: TestHub): number => hub.connections[0]?.near.stats().calls ?? Number.NaN;

const large = (i: number): Uint8Array => new Uint8Array(700_000).fill(i);

describe("RowQuestions", () => {
  test("get()s of one turn give what lies in a store of LMDB's", async () => {
    const directory = await mkdtemp(join(tmpdir(), "banyan-rows-"));
    await using engine = await openLmdb(directory);
    const values = [0, 1, 40, 3_000, 70_000].map((size) => new Uint8Array(size).fill(size));
    await Promise.all(values.map((value, i) => engine.put(path(`a:${i}`), value)));
    await using hub = new TestHub(engine);
    const client = await hub.client();
    const places = ["a:0", "a:4", "b", "a:1", "a", "a:3", "a:2", ":."];
    const found = await Promise.all(places.map((place) => client.get(path(place))));
    expect(found.map((entry) => entry?.value)).toEqual(
      [0, 4, undefined, 1, undefined, 3, 2, undefined].map((i) => values[i ?? -1]),
    );
    await rm(directory, { recursive: true });
  });

  test("get()s of one turn are one call, and each gets its own entry", async () => {
    await using hub = await filled(20);
    const client = await hub.client({ clock: new ManualClock() });
    const before = callsOf(hub);
    const found = await Promise.all(
      Array.from({ length: 21 }, (_, i) => client.get(path(`a:${i}`))),
    );
    expect(found.map(textOf)).toEqual([...Array.from({ length: 20 }, (_, i) => `${i}`), undefined]);
    expect(found[3]).toMatchObject({ path: path("a:3"), author: "", revision: 4 });
    expect(callsOf(hub) - before).toBe(1);
  });

  test("many get()s leave in parts, so that both sides work, and all are answered", async () => {
    await using hub = await filled(3_000);
    const client = await hub.client({ clock: new ManualClock() });
    const calls = [];
    for (const count of [63, 64, 65, 999, 1_000, 1_001, 3_000]) {
      const before = callsOf(hub);
      const numbers = Array.from({ length: count }, (_, i) => i);
      const found = await Promise.all(numbers.map((i) => client.get(path(`a:${i}`))));
      expect(found.map(textOf)).toEqual(numbers.map(String));
      calls.push(callsOf(hub) - before);
    }
    expect(calls).toEqual([1, 2, 2, 2, 1, 2, 3]);
  });

  test("entries that are too large for one answer come in several", async () => {
    const engine = new MemoryEngine();
    await using hub = new TestHub(engine);
    for (let i = 0; i < 5; i++) await engine.put(path(`a:${i}`), large(i));
    const client = await hub.client();
    const found = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => client.get(path(`a:${i}`))));
    const isRight = found.map((entry, i) => entry && Buffer.compare(entry.value, large(i)) === 0);
    expect(isRight).toEqual([true, true, true, true, true, undefined]);
  });

  test("what a get() gives is a copy: nobody writes to it again", async () => {
    await using hub = await filled(2);
    const client = await hub.client();
    const [first, second] = await Promise.all([client.get(path("a:0")), client.get(path("a:1"))]);
    first?.value.fill(0);
    expect(textOf(second)).toBe("1");
    expect(textOf(await client.get(path("a:0")))).toBe("0");
  });

  test("each path of any kind is the one that was asked for, whatever becomes of the array", async () => {
    const engine = new MemoryEngine();
    await using hub = new TestHub(engine);
    const paths = ["a.b", "a::b", "ü.x", ":n:t:1", ":", ":v00ff", "a:-1.5", `${"n".repeat(600)}.x`];
    for (const text of paths) await put(engine, text, text);
    await using tree = Tree.over(await hub.client(), { ownsEngine: false });
    const entries = await Promise.all(paths.map((text) => tree.engine.get(path(text))));
    expect(entries.map(textOf)).toEqual(paths);
    expect(entries.map((entry) => entry?.path)).toEqual(paths.map((text) => path(text)));
    await tree.set(["c", 1], "one");
    const elements = ["c", 1];
    const entry = tree.entry(elements);
    elements[1] = 2;
    expect(await entry).toMatchObject({ path: path("c:1"), value: "one" });
  });

  test("a bad path and a bad value are errors of their own get() alone", async () => {
    const engine = new MemoryEngine();
    await using hub = new TestHub(engine);
    await using tree = Tree.over(await hub.client(), { ownsEngine: false });
    await engine.put(path("bad"), encodeValue("cut off".repeat(99)).slice(0, 20));
    await tree.set("good", { a: 1 });
    const [bad, syntax, good, entry] = await Promise.allSettled([
      tree.get("bad"),
      tree.get("a..b"),
      tree.get("good"),
      tree.entry("bad"),
    ]);
    expect([bad.status, syntax.status]).toEqual(["rejected", "rejected"]);
    expect((syntax as PromiseRejectedResult).reason).toMatchObject({ code: "WIRE_BAD_PATH" });
    expect(good).toMatchObject({ value: { a: 1 } });
    expect(entry).toMatchObject({
      value: { path: path("bad"), error: expect.any(Error) as Error },
    });
  });

  test("a signal gives up its own get() with its reason, before and after it has left", async () => {
    await using hub = await filled(2);
    const client = await hub.client();
    const late = new AbortController();
    const given = [
      client.get(path("a:0"), { signal: AbortSignal.abort("early") }),
      client.get(path("a:0"), { signal: late.signal }),
      client.get(path("a:1")),
    ];
    const settled = Promise.allSettled(given);
    late.abort("late");
    const [early, after, other] = await settled;
    expect([early, after].map((one) => (one as PromiseRejectedResult).reason)).toEqual([
      "early",
      "late",
    ]);
    expect(textOf((other as PromiseFulfilledResult<EngineEntry>).value)).toBe("1");
  });

  test("get()s whose hub dies are asked again of the next", async () => {
    await using hub = await filled(200);
    const client = await hub.client();
    for (let round = 0; round < 5; round++) {
      const numbers = Array.from({ length: 200 }, (_, i) => i);
      const found = Promise.all(numbers.map((i) => client.get(path(`a:${i}`))));
      await Promise.resolve();
      hub.breakAll();
      expect((await found).map(textOf)).toEqual(numbers.map(String));
    }
    expect(hub.attempts).toBeGreaterThan(3);
  });

  test("get()s that wait when the engine is closed, and those behind it, are ENGINE_CLOSED", async () => {
    await using hub = await filled(1);
    const client = await hub.client();
    const waiting = Array.from({ length: 100 }, () =>
      rejectsWith(client.get(path("a:0")), "ENGINE_CLOSED"),
    );
    void client.close();
    await Promise.all(waiting);
    await rejectsWith(client.get(path("a:0")), "ENGINE_CLOSED");
  });

  test("an engine that looks at each entry gets every get() by itself, and gives no rows", async () => {
    await using hub = await filled(3);
    const { engine } = hub;
    Object.defineProperty(engine, "rows", { value: undefined });
    const asked: string[] = [];
    const get = engine.get.bind(engine);
    engine.get = async (at) => {
      asked.push(String(at));
      return get(at);
    };
    const client: Engine = await hub.client();
    expect(client.soon).toBeUndefined();
    const found = await Promise.all([0, 1, 2].map((i) => client.get(path(`a:${i}`))));
    expect(found.map(textOf)).toEqual(["0", "1", "2"]);
    expect(asked).toEqual(["a:0", "a:1", "a:2"]);
    const near = hub.connections[0]?.near;
    const service = near?.remote<{ rows(question: Uint8Array): Uint8Array }, "copy">("engine");
    await expect(service?.rows(bytes("x"))).rejects.toMatchObject({ code: "ENGINE_UNSUPPORTED" });
  });
});

/** So many times the entry whose key is this byte. */
const question = (times: number, byte: number): Uint8Array =>
  Uint8Array.from(Array.from({ length: times }, () => [1, 0, byte]).flat());

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("RowAnswers", () => {
  const rows = { row: (all: Uint8Array, start: number, end: number) => all.slice(start, end) };
  test("gives one long answer a turn, in the order of the questions", async () => {
    const answers = new RowAnswers();
    const first = answers.give(rows, question(100, 1));
    expect(first).toEqual(answerRows(rows, question(100, 1)));
    const done: unknown[] = [];
    const note = async (asked: Uint8Array): Promise<void> => {
      const answer = await Promise.resolve(answers.give(rows, asked)).catch((error) => error);
      done.push(answer instanceof Uint8Array ? answer.at(-1) : answer);
    };
    const later = [question(100, 2), question(1, 3), Uint8Array.of(1), question(100, 5)];
    const all = Promise.all(later.map(note));
    const expected = [2, 3, expect.any(TypeError), 5];
    for (let turns = 1; turns <= 4; turns++) {
      await turn();
      expect(done).toEqual(expected.slice(0, turns));
    }
    await all;
    await turn();
    expect(answers.give(rows, question(100, 6))).toBeInstanceOf(Uint8Array);
  });

  test("gives short ones at once", () => {
    const answers = new RowAnswers();
    for (const byte of [1, 2, 3]) {
      expect(answers.give(rows, question(1, byte))).toEqual(Uint8Array.of(1, 0, 0, 0, byte));
    }
  });
});

describe("answerRows()", () => {
  test("refuses what is no question", () => {
    const rows = { row: () => undefined };
    for (const bad of [[1], [1, 0], [2, 0, 1], [0xff, 0xff, 1], [1, 0, 1, 5]]) {
      expect(() => answerRows(rows, Uint8Array.from(bad))).toThrow(TypeError);
    }
    const tooLong = new Uint8Array(2 + 1_025);
    tooLong.set([0x01, 0x04]);
    expect(() => answerRows(rows, tooLong)).toThrow(TypeError);
    expect([...answerRows(rows, Uint8Array.of(0, 0, 1, 0, 7))]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });
});
