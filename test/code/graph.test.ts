import { describe, expect, it } from "vitest";

import { compile } from "../../src/code/compile.ts";
import { checkEntry } from "../../src/code/entry.ts";
import { planGraph, type Source } from "../../src/code/graph.ts";
import { splitId, type Unit } from "../../src/code/unit.ts";

function unit(id: string, code: string): [string, Source] {
  const [kind, name] = splitId(id);
  return [id, { text: code, compiled: compile(checkEntry(kind, name, { code })) }];
}

/** The keys of units around a leaf. */
function keysAround(leaf: string): Map<string, string> {
  const { units } = planGraph(
    new Map([
      unit("module:leaf", leaf),
      unit("module:mid", 'export * from "tree:leaf"'),
      unit("proc:top", 'import { n } from "tree:mid"; return n'),
      unit("module:other", "export const o = 1"),
    ]),
  );
  return new Map([...units].map(([id, { key }]) => [id, key]));
}

describe("planGraph()", () => {
  it("takes a chain of 12,000 imports, and a circle as long", () => {
    const base = compile(checkEntry("module", "m0", { code: "" }));
    const chain = (last: string): Map<string, Source> => {
      const sources = new Map<string, Source>();
      for (let i = 0; i < 12_000; i++) {
        const next = i === 11_999 ? last : `m${i + 1}`;
        const place = { line: 1, column: 1 };
        const imports =
          next === "" ? [] : [{ spec: "", module: next, json: false, names: [], place }];
        const compiled: Unit = { ...base, name: `m${i}`, imports };
        sources.set(`module:m${i}`, { text: "", compiled });
      }
      return sources;
    };
    expect(planGraph(chain("")).units.size).toBe(12_000);
    expect(planGraph(chain("m11998")).errors.get("module:m0")?.message).toBe(
      "m0 -> m1 -> m2 -> m3 -> ... -> m11996 -> m11997 -> m11998: " +
        "m11998:1:1: import cycle: m11998 -> m11999 -> m11998",
    );
    expect(planGraph(chain("m0")).errors.get("module:m1")?.message).toBe(
      "m1:1:1: import cycle: m1 -> m2 -> m3 -> m4 -> ... -> m11998 -> m11999 -> m0 -> m1",
    );
  });

  it("names every circle's members from their own side, at the import that leads on", () => {
    const { errors, units } = planGraph(
      new Map([
        unit("module:a", 'const x = 1;\nimport "tree:b"'),
        unit("module:b", 'import "tree:c"'),
        unit("module:c", 'import "tree:a"'),
        unit("module:d", 'import "tree:d"'),
        unit("module:e", 'import "tree:b"'),
        unit("module:f", 'import type { T } from "tree:a"'),
      ]),
    );
    expect([...errors].map(([id, { code, message }]) => [id, code, message])).toEqual([
      ["module:a", "CODE_CYCLE", "a:2:1: import cycle: a -> b -> c -> a"],
      ["module:b", "CODE_CYCLE", "b:1:1: import cycle: b -> c -> a -> b"],
      ["module:c", "CODE_CYCLE", "c:1:1: import cycle: c -> a -> b -> c"],
      ["module:d", "CODE_CYCLE", "d:1:1: import cycle: d -> d"],
      ["module:e", "CODE_BLOCKED", "e -> b: b:1:1: import cycle: b -> c -> a -> b"],
    ]);
    expect([...units.keys()]).toEqual(["module:f"]);
  });

  it("changes the key of all that import what has changed, and of nothing else", () => {
    const [one, two, again] = [
      keysAround("export const n = 1"),
      keysAround("export const n = 2"),
      keysAround("export const n = 1"),
    ];
    expect(again).toEqual(one);
    expect([...one].filter(([id, key]) => two.get(id) === key).map(([id]) => id)).toEqual([
      "module:other",
    ]);
  });

  it("finds a missing export through any number of re-exports, and none that a package may have", () => {
    const { errors } = planGraph(
      new Map([
        unit("module:a.b", "export const yes = 1"),
        unit("module:re", 'export * from "tree:a.b"'),
        unit("module:open", 'export * from "acorn"'),
        unit(
          "proc:me",
          'import { yes } from "tree:re";\nimport { nope } from "tree:re"; return nope',
        ),
        unit("proc:default", 'import x from "tree:re"; return x'),
        unit("proc:fine", 'import { nope } from "tree:open"; return nope'),
      ]),
    );
    expect([...errors].map(([, { code, message }]) => [code, message])).toEqual([
      [
        "CODE_MISSING_EXPORT",
        'default:1:8: module "tree:re" does not export "default", imported by default',
      ],
      ["CODE_MISSING_EXPORT", 'me:2:10: module "tree:re" does not export "nope", imported by me'],
    ]);
    expect(errors.get("proc:me")?.details["frame"]).toContain("> 2 | import { nope }");
  });
});
