import assert from "node:assert/strict";

import type { Engine, EngineVersion } from "../engine/engine.ts";
import { Path } from "../wire/path.ts";
import { bytes, type EngineTest, path, put, text } from "./engine-suite-kit.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** `history` and its rules. */
export function historyTests(test: EngineTest): void {
  test("history() has the present version and those before it, newest first, with who and when", async (engine) => {
    const revisions: number[] = [];
    for (const [value, author] of [
      ["1", "ann"],
      ["2", "bob"],
      ["3", "n1 run 7"],
    ] as const) {
      const options = { author };
      revisions.push((await engine.put(path("a"), bytes(value), options)).revision);
      await put(engine, "b", value);
    }
    const versions = await engine.history(path("a"));
    assert.deepEqual(shown(versions), ["3 by n1 run 7", "2 by bob", "1 by ann"]);
    assert.deepEqual(
      versions.map(({ revision }) => revision),
      revisions.toReversed(),
    );
    for (const { path: at, time } of versions) {
      assert.deepEqual(at, path("a"));
      assert.ok(time > 0, "it has a time");
    }
    assert.deepEqual(await engine.history(path("x")), []);
  });

  test("history() tells deletions, and goes on behind them", async (engine) => {
    await put(engine, "a", "1");
    await engine.delete(path("a"), { author: "ann" });
    assert.deepEqual(shown(await engine.history(path("a"))), ["- by ann", "1 by "]);
    await engine.delete(path("a"));
    await put(engine, "a", "2");
    assert.deepEqual(shown(await engine.history(path("a"))), ["2 by ", "- by ann", "1 by "]);
  });

  test("history() is of one entry: not of those above, below and beside it", async (engine) => {
    const places = [
      [],
      ["a"],
      ["a", "b"],
      ["a", null],
      ["a", ""],
      ["a\0"],
      ["aa"],
      [0],
      [new Uint8Array(3)],
    ];
    const paths = places.map((elements) => Path.fromElements(elements));
    for (const round of ["1", "2"]) {
      for (const at of paths) await engine.put(at, bytes(`${at.toString()} ${round}`));
    }
    for (const at of paths) {
      const name = at.toString();
      assert.deepEqual(shown(await engine.history(at)), [`${name} 2 by `, `${name} 1 by `]);
    }
  });

  test("history() keeps as many versions as the rule of the longest prefix says", async (engine) => {
    await engine.keepHistory({ prefix: path("many"), versions: 50, maxAgeMs: Infinity });
    await engine.keepHistory({ prefix: path("many.few"), versions: 2, maxAgeMs: DAY_MS });
    await engine.keepHistory({ prefix: path("many.none"), versions: 0, maxAgeMs: DAY_MS });
    for (let i = 1; i <= 80; i++) {
      for (const where of ["many.a", "many.few.b", "many.none", "other"]) {
        await put(engine, where, String(i));
      }
    }
    const count = async (where: string): Promise<number> =>
      (await engine.history(path(where))).length;
    assert.equal(await count("many.a"), 51);
    assert.deepEqual(shown(await engine.history(path("many.few.b"))), [
      "80 by ",
      "79 by ",
      "78 by ",
    ]);
    assert.equal(await count("many.none"), 1);
    assert.equal(await count("other"), 11);
  });

  test("history() forgets what is older than the rule says", async (engine) => {
    await engine.keepHistory({ prefix: path("a"), versions: 50, maxAgeMs: Infinity });
    await put(engine, "a", "1");
    await put(engine, "a", "2");
    assert.equal((await engine.history(path("a"))).length, 2);
    const { time } = (await engine.history(path("a")))[0] as EngineVersion;
    while (Date.now() <= time + 1) await engine.get(path("a"));
    await engine.keepHistory({ prefix: path("a"), versions: 50, maxAgeMs: 0 });
    assert.deepEqual(shown(await engine.history(path("a"))), ["2 by "]);
  });

  test("history() has nothing of refused writes, and a repeated one once", async (engine) => {
    await put(engine, "a", "1");
    await assert.rejects(engine.put(path("a"), bytes("no"), { ifRevision: 999 }));
    await engine.put(path("a"), bytes("2"), { operation: "same" });
    await engine.put(path("a"), bytes("2"), { operation: "same" });
    assert.deepEqual(shown(await engine.history(path("a"))), ["2 by ", "1 by "]);
  });

  test("historyRules() has every rule, and keepHistory() replaces one of the same prefix", async (engine) => {
    const rule = { prefix: path("a.b"), versions: 3, maxAgeMs: Infinity };
    await engine.keepHistory({ ...rule, versions: 2 });
    await engine.keepHistory(rule);
    const rules = await engine.historyRules();
    assert.deepEqual(
      rules.filter(({ prefix }) => prefix.equals(rule.prefix)),
      [rule],
    );
    assert.deepEqual(rules[0]?.prefix, Path.root);
    await assert.rejects(engine.keepHistory({ ...rule, versions: -1 }));
    await assert.rejects(engine.keepHistory({ ...rule, maxAgeMs: Number.NaN }));
  });

  test("history() and its rules outlive the engine, where entries do", async (engine, {
    reopen,
  }) => {
    if (!engine.supports.durable || reopen === undefined) return;
    await engine.keepHistory({ prefix: path("a"), versions: 1, maxAgeMs: DAY_MS });
    for (const value of ["1", "2", "3"]) await put(engine, "a", value);
    const again: Engine = await reopen();
    assert.deepEqual(shown(await again.history(path("a"))), ["3 by ", "2 by "]);
    assert.equal((await again.historyRules()).filter(({ versions }) => versions === 1).length, 1);
  });
}

function shown(versions: readonly EngineVersion[]): string[] {
  return versions.map(
    ({ value, author }) => `${value === undefined ? "-" : text(value)} by ${author}`,
  );
}
