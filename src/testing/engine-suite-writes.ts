import assert from "node:assert/strict";

import { BanyanError } from "../base/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { Path } from "../wire/path.ts";
import {
  bytes,
  type EngineTest,
  listed,
  path,
  put,
  rejectsWith,
  text,
} from "./engine-suite-kit.ts";

/** Writes, and reading back what was written. */
export function writeTests(test: EngineTest): void {
  plainTests(test);
  compareAndSetTests(test);
  conditionTests(test);
  operationTests(test);
  durabilityTests(test);
}

function plainTests(test: EngineTest): void {
  test("get() gives undefined where there is nothing", async (engine) => {
    assert.equal(await engine.get(path("a")), undefined);
    assert.equal(await engine.get(Path.root), undefined);
  });

  test("put() is seen by the next get(), with author, time and revision", async (engine) => {
    const result = await engine.put(path("a.b"), bytes("1"), { author: "me" });
    const entry = await engine.get(path("a.b"));
    assert.ok(entry);
    assert.ok(entry.path instanceof Path);
    assert.deepEqual([...entry.path], ["a", "b"]);
    assert.equal(text(entry.value), "1");
    assert.equal(entry.revision, result.revision);
    assert.equal(entry.author, "me");
    assert.ok(Number.isFinite(entry.time) && entry.time > 0, "a time for people");
    assert.equal(result.previous, undefined);
  });

  test("put() gives what was there before", async (engine) => {
    const first = await engine.put(path("a"), bytes("1"), { author: "me" });
    const { previous } = await engine.put(path("a"), bytes("2"));
    assert.ok(previous);
    assert.equal(text(previous.value), "1");
    assert.equal(previous.revision, first.revision);
    assert.equal(previous.author, "me");
  });

  test("put() keeps empty values, and takes the root, numbers and bytes as paths", async (engine) => {
    const paths = [
      [],
      [1],
      ["1"],
      [true],
      [null],
      [""],
      [new Uint8Array([0, 255])],
      ["a\0b", -2.5],
    ];
    for (const [index, elements] of paths.entries()) {
      await engine.put(Path.fromElements(elements), new Uint8Array(index));
    }
    for (const [index, elements] of paths.entries()) {
      const entry = await engine.get(Path.fromElements(elements));
      assert.equal(entry?.value.length, index);
      assert.deepEqual([...entry.path], elements);
    }
  });

  test("put() does not look at the caller's bytes after it has begun", async (engine) => {
    const value = bytes("before");
    const written = engine.put(path("a"), value);
    value.fill(0);
    await written;
    assert.equal(text((await engine.get(path("a")))?.value ?? bytes("")), "before");
  });

  test("revisions are whole numbers that grow with every write", async (engine) => {
    const revisions = [await put(engine, "a", "1"), await put(engine, "b", "1")];
    revisions.push((await engine.delete(path("a"))).revision, await put(engine, "a", "2"));
    for (const [index, revision] of revisions.entries()) {
      assert.ok(Number.isSafeInteger(revision), "a whole number");
      assert.ok(revision > (revisions[index - 1] ?? 0), `${revisions.join()} do not grow`);
    }
  });

  test("writes that are under way together are applied in the order of calls", async (engine) => {
    const writes = Array.from({ length: 50 }, (_, i) => engine.put(path("a"), bytes(`${i}`)));
    const revisions = (await Promise.all(writes)).map((result) => result.revision);
    assert.deepEqual(
      revisions,
      revisions.toSorted((a, b) => a - b),
    );
    assert.equal(text((await engine.get(path("a")))?.value ?? bytes("")), "49");
  });

  test("delete() removes the entry alone and gives what was there", async (engine) => {
    await put(engine, "a", "1");
    await put(engine, "a.b", "2");
    const { previous } = await engine.delete(path("a"), { author: "me" });
    assert.equal(text(previous?.value ?? bytes("")), "1");
    assert.deepEqual(await listed(engine, "a"), ["a.b=2"]);
  });

  test("delete() of what is not there changes nothing", async (engine) => {
    const last = await put(engine, "b", "1");
    const result = await engine.delete(path("a"));
    assert.deepEqual(result, { revision: last, previous: undefined });
    assert.equal((await engine.get(path("b")))?.revision, last);
  });

  test(
    "put() refuses a value over the limit and writes nothing",
    async (engine) => {
      await engine.put(path("a"), new Uint8Array(1_000));
      await rejectsWith(engine.put(path("a"), new Uint8Array(1_001)), "ENGINE_TOO_LARGE");
      assert.equal((await engine.get(path("a")))?.value.length, 1_000);
    },
    { maxValueBytes: 1_000 },
  );

  test("put() refuses an author or operation of more than 512 characters, and that write alone", async (engine) => {
    const name = "x".repeat(256);
    await engine.put(path("a"), bytes("1"), { author: name, operation: name });
    const [author, operation, other] = await Promise.allSettled([
      engine.put(path("a"), bytes("2"), { author: name.repeat(3) }),
      engine.delete(path("a"), { operation: "\u{20ac}".repeat(513) }),
      engine.put(path("b"), bytes("3")),
    ]);
    for (const { reason } of [author, operation] as PromiseRejectedResult[]) {
      assert.equal(reason.code, "ENGINE_TOO_LARGE");
    }
    assert.equal(other.status, "fulfilled");
    assert.deepEqual(await listed(engine, ":"), ["a=1", "b=3"]);
  });

  test("put() takes a value of 4 MiB", async (engine) => {
    const value = new Uint8Array(4 * 1024 * 1024).fill(7);
    await engine.put(path("a"), value);
    assert.deepEqual((await engine.get(path("a")))?.value, value);
  });

  test("a call with an aborted signal throws its reason and writes nothing", async (engine) => {
    const signal = AbortSignal.abort("enough");
    await assert.rejects(engine.put(path("a"), bytes("1"), { signal }), (e) => e === "enough");
    await assert.rejects(engine.get(path("a"), { signal }), (e) => e === "enough");
    await assert.rejects(engine.children(path("a"), { signal }).toArray(), (e) => e === "enough");
    await assert.rejects(listed(engine, "a", { signal }), (e) => e === "enough");
    assert.equal(await engine.get(path("a")), undefined);
  });

  test("a closed engine refuses everything", async (engine) => {
    await engine.close();
    const code = "ENGINE_CLOSED";
    await rejectsWith(engine.get(path("a")), code);
    await rejectsWith(engine.put(path("a"), bytes("1")), code);
    await rejectsWith(engine.delete(path("a")), code);
    await rejectsWith(engine.children(path("a")).toArray(), code);
    await rejectsWith(listed(engine, "a"), code);
    await rejectsWith(engine.publish(path("a"), bytes("1")), code);
    assert.throws(() => engine.watch(path("a")), { code });
    assert.throws(() => engine.subscribe(path("a")), { code });
  });
}

function compareAndSetTests(test: EngineTest): void {
  test("ifRevision 0 creates, and refuses an entry that is there", async (engine) => {
    const { revision } = await engine.put(path("a"), bytes("1"), { ifRevision: 0 });
    const refused = engine.put(path("a"), bytes("2"), { ifRevision: 0 });
    assert.deepEqual((await rejectsWith(refused, "ENGINE_CONFLICT")).details, { revision });
    assert.deepEqual(await listed(engine, ":"), ["a=1"]);
  });

  test("ifRevision 0 creates where an entry was deleted", async (engine) => {
    await put(engine, "a", "1");
    await engine.delete(path("a"));
    await engine.put(path("a"), bytes("2"), { ifRevision: 0 });
    assert.deepEqual(await listed(engine, "a"), ["a=2"]);
  });

  test("ifRevision n writes at exactly n", async (engine) => {
    const first = await put(engine, "a", "1");
    const second = await engine.put(path("a"), bytes("2"), { ifRevision: first });
    const refused = engine.put(path("a"), bytes("3"), { ifRevision: first });
    const { details } = await rejectsWith(refused, "ENGINE_CONFLICT");
    assert.deepEqual(details, { revision: second.revision });
    const absent = engine.put(path("b"), bytes("3"), { ifRevision: first });
    assert.deepEqual((await rejectsWith(absent, "ENGINE_CONFLICT")).details, { revision: 0 });
    assert.deepEqual(await listed(engine, ":"), ["a=2"]);
  });

  test("ifRevision holds for delete()", async (engine) => {
    const first = await put(engine, "a", "1");
    const second = await put(engine, "a", "2");
    await rejectsWith(engine.delete(path("a"), { ifRevision: first }), "ENGINE_CONFLICT");
    await rejectsWith(engine.delete(path("a"), { ifRevision: 0 }), "ENGINE_CONFLICT");
    assert.deepEqual(await listed(engine, "a"), ["a=2"]);
    await engine.delete(path("a"), { ifRevision: second });
    await rejectsWith(engine.delete(path("a"), { ifRevision: second }), "ENGINE_CONFLICT");
    assert.deepEqual(await listed(engine, "a"), []);
  });

  test("counters that are raised by compare-and-set lose no update", async (engine, fixture) => {
    const other = (await fixture.another?.()) ?? engine;
    const perWriter = 15;
    const writers = [engine, other, engine, other].map((client) => count(client, perWriter));
    await Promise.all(writers);
    assert.deepEqual(await listed(engine, "counter"), [`counter=${4 * perWriter}`]);
  });
}

async function count(engine: Engine, times: number): Promise<void> {
  const where = path("counter");
  for (let done = 0; done < times;) {
    const entry = await engine.get(where);
    const next = entry === undefined ? 1 : Number(text(entry.value)) + 1;
    try {
      await engine.put(where, bytes(`${next}`), { ifRevision: entry?.revision ?? 0 });
      done++;
    } catch (error) {
      if (!BanyanError.has(error, "ENGINE_CONFLICT")) throw error;
    }
  }
}

function conditionTests(test: EngineTest): void {
  test("condition writes only while another entry is at its revision", async (engine) => {
    const revision = await put(engine, "owner", "x");
    const condition = { path: path("owner"), revision };
    if (!engine.supports.condition) {
      await rejectsWith(engine.put(path("a"), bytes("1"), { condition }), "ENGINE_UNSUPPORTED");
      return;
    }
    await engine.put(path("a"), bytes("1"), { condition });
    const now = await put(engine, "owner", "y");
    const refused = await rejectsWith(
      engine.put(path("a"), bytes("2"), { condition }),
      "ENGINE_CONDITION",
    );
    assert.deepEqual(refused.details, { revision: now });
    await rejectsWith(engine.delete(path("a"), { condition }), "ENGINE_CONDITION");
    await engine.delete(path("owner"));
    const gone = engine.put(path("a"), bytes("2"), { condition });
    assert.deepEqual((await rejectsWith(gone, "ENGINE_CONDITION")).details, { revision: 0 });
    assert.deepEqual(await listed(engine, ":"), ["a=1"]);
  });

  test("condition at revision 0 asks that the other entry is absent", async (engine) => {
    if (!engine.supports.condition) return;
    const condition = { path: path("owner"), revision: 0 };
    await engine.put(path("a"), bytes("1"), { condition });
    await put(engine, "owner", "x");
    await rejectsWith(engine.put(path("a"), bytes("2"), { condition }), "ENGINE_CONDITION");
    assert.deepEqual(await listed(engine, "a"), ["a=1"]);
  });

  test("condition and a change of its entry that are under way together keep their order", async (engine) => {
    if (!engine.supports.condition) return;
    const revision = await put(engine, "owner", "x");
    const condition = { path: path("owner"), revision };
    const [before, , after] = await Promise.allSettled([
      engine.put(path("a"), bytes("before"), { condition }),
      engine.put(path("owner"), bytes("y")),
      engine.put(path("a"), bytes("after"), { condition }),
    ]);
    assert.equal(before.status, "fulfilled");
    assert.equal(after.status, "rejected");
    assert.deepEqual(await listed(engine, "a"), ["a=before"]);
  });
}

function operationTests(test: EngineTest): void {
  test("a write that is repeated with its operation is applied once, with one result", async (engine) => {
    await put(engine, "a", "0");
    const options = { operation: "op-1", author: "me" };
    const first = await engine.put(path("a"), bytes("1"), options);
    await put(engine, "a", "2");
    const again = await engine.put(path("a"), bytes("1"), options);
    assert.equal(again.revision, first.revision);
    assert.deepEqual(again.previous, first.previous);
    assert.deepEqual(await listed(engine, "a"), ["a=2"]);
  });

  test("a repeated write is applied once where both are under way together", async (engine) => {
    const write = () => engine.put(path("a"), bytes("1"), { operation: "op-1", ifRevision: 0 });
    const [first, again] = await Promise.all([write(), write()]);
    assert.equal(first.revision, again.revision);
  });

  test("a repeated delete() is applied once", async (engine) => {
    await put(engine, "a", "1");
    const first = await engine.delete(path("a"), { operation: "op-1" });
    await put(engine, "a", "2");
    const again = await engine.delete(path("a"), { operation: "op-1" });
    assert.equal(again.revision, first.revision);
    assert.equal(text(again.previous?.value ?? bytes("")), "1");
    assert.deepEqual(await listed(engine, "a"), ["a=2"]);
  });

  test("a refused write leaves its operation free", async (engine) => {
    const write = () => engine.put(path("a"), bytes("1"), { operation: "op-1", ifRevision: 0 });
    await put(engine, "a", "0");
    await rejectsWith(write(), "ENGINE_CONFLICT");
    await engine.delete(path("a"));
    await write();
    assert.deepEqual(await listed(engine, "a"), ["a=1"]);
  });
}

function durabilityTests(test: EngineTest): void {
  test("put() with `flushed` waits for the disk where there is one, and is refused where none is", async (engine) => {
    const flushed = { durability: "flushed" } as const;
    if (!engine.supports.durable) {
      await rejectsWith(engine.put(path("a"), bytes("1"), flushed), "ENGINE_UNSUPPORTED");
      assert.deepEqual(await listed(engine, ":"), []);
      return;
    }
    await engine.put(path("a"), bytes("1"), flushed);
    await engine.delete(path("a"), flushed);
    const repeated = { ...flushed, operation: "op-1" };
    const { revision } = await engine.put(path("a"), bytes("2"), repeated);
    assert.equal((await engine.put(path("a"), bytes("2"), repeated)).revision, revision);
    assert.deepEqual(await listed(engine, ":"), ["a=2"]);
  });
  test("writes that wait for the disk and others are applied in the order of calls", async (engine) => {
    if (!engine.supports.durable) return;
    const writes = Array.from({ length: 200 }, async (_, i) => {
      const durability = i % 3 === 0 ? "commit" : "flushed";
      return (await engine.put(path(`k:${i % 7}`), bytes(`${i}`), { durability })).revision;
    });
    const revisions = await Promise.all(writes);
    assert.deepEqual(
      revisions,
      revisions.toSorted((a, b) => a - b),
    );
    const expected = [0, 1, 2, 3, 4, 5, 6].map((k) => `k:${k}=${199 - ((199 - k) % 7)}`);
    assert.deepEqual(await listed(engine, "k"), expected);
  });
  test("what was acknowledged is there when the store is opened again", async (engine, fixture) => {
    if (fixture.reopen === undefined) {
      assert.equal(engine.supports.durable, false);
      return;
    }
    const write = await engine.put(path("a"), bytes("1"), { author: "me", operation: "op-1" });
    await put(engine, "b", "2");
    await engine.delete(path("b"));
    const last = await put(engine, "c", "3");
    const { store } = engine;
    const again = await fixture.reopen();
    assert.equal(again.store, store);
    assert.deepEqual(await listed(again, ":"), ["a=1", "c=3"]);
    const entry = await again.get(path("a"));
    assert.equal(entry?.author, "me");
    assert.equal(entry.revision, write.revision);
    const repeated = await again.put(path("a"), bytes("1"), { operation: "op-1" });
    assert.deepEqual(repeated, { revision: write.revision, previous: undefined });
    assert.ok((await put(again, "d", "4")) > last, "revisions go on");
  });
}
