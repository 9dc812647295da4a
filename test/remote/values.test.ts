import { inspect } from "node:util";

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { byRef, byValue, isRemote, snapshot } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { Path } from "../../src/wire/path.ts";

const echo = { back: (value: unknown): unknown => value, keep: new Map<string, unknown>() };

async function echoPair(plain: "reference" | "copy" = "reference") {
  const pair = await sessionPair({ near: { plain }, far: { exports: { echo }, plain } });
  return Object.assign(pair, {
    back: async (value: unknown): Promise<unknown> =>
      await pair.near.remote<typeof echo>("echo").back(value),
  });
}

describe("values", () => {
  const exact = [
    null, undefined, true, false, 0, -0, 1, -1, 127, 128, 255, 256, -33, 2 ** 31, 2 ** 53, 1.5,
    NaN, Infinity, -Infinity, "", "a", "\ud800", "😀", "x".repeat(100_000), 0n, -1n, 2n ** 64n,
    -(1n << 4096n) - 123456789n, Symbol.iterator, Symbol.for("a.b"),
  ]; // prettier-ignore

  it("sends primitives and gets the very same back", async () => {
    await using pair = await echoPair();
    for (const value of exact) expect(Object.is(await pair.back(value), value)).toBe(true);
  });

  it("copies bytes and every typed array, at an odd offset as well", async () => {
    await using pair = await echoPair();
    const bytes = Uint8Array.from({ length: 65 }, (_, i) => i * 7);
    const views = [
      bytes.subarray(3, 20),
      new Int16Array(bytes.buffer, 2, 5),
      new Float64Array(bytes.buffer, 8, 3),
      new BigInt64Array(bytes.buffer, 16, 2),
      new DataView(bytes.buffer, 5, 9),
    ];
    for (const view of views) {
      const back = (await pair.back(view)) as typeof view;
      expect(back.constructor).toBe(view.constructor);
      expect(bytesOf(back)).toEqual(bytesOf(view));
      expect(back.buffer).not.toBe(view.buffer);
    }
  });

  it("copies dates, paths, regular expressions and URLs", async () => {
    await using pair = await echoPair();
    expect(await pair.back(new Date(5))).toEqual(new Date(5));
    expect(((await pair.back(new Date(NaN))) as Date).getTime()).toBeNaN();
    const path = Path.fromElements(["a", 2, "c"]);
    expect(await pair.back(path)).toEqual(path);
    const sticky = /a(.)c/giy;
    sticky.lastIndex = 3;
    const back = (await pair.back(sticky)) as RegExp;
    expect([back.source, back.flags, back.lastIndex]).toEqual(["a(.)c", "giy", 3]);
    expect(((await pair.back(new URL("http://a.b/c?d"))) as URL).href).toBe("http://a.b/c?d");
  });

  it("sends plain objects, arrays, Maps and instances by reference", async () => {
    for (const value of [{ a: 1 }, [1], new Map(), new Set(), new AbortController(), () => 1]) {
      let seen: unknown;
      const look = (what: unknown): void => {
        seen = what;
      };
      const far = await sessionPair({ far: { exports: { look } } });
      await far.near.remote<typeof look>("look")(value);
      expect(isRemote(seen)).toBe(true);
      expect(typeof seen).toBe(typeof value);
      await far[Symbol.asyncDispose]();
    }
  });

  it("sends plain data by value with plain: copy, and functions in it by reference", async () => {
    await using pair = await sessionPair({
      near: { plain: "copy" },
      far: { plain: "copy", exports: { apply: (o: { f: (n: number) => number }) => o.f(2) } },
    });
    const apply = pair.near.remote<(o: { f: (n: number) => number }) => number>("apply");
    expect(await apply({ f: (n) => n + 1 })).toBe(3);
    await using copying = await echoPair("copy");
    const data = { a: [1, { b: "c" }], d: null };
    expect(await copying.back(data)).toEqual(data);
  });

  it("copies what is frozen all through, and freezes the copy", async () => {
    await using pair = await echoPair();
    const frozen = Object.freeze({ a: Object.freeze([1, 2]), b: "c" });
    const back = await pair.back(frozen);
    expect(back).toEqual(frozen);
    expect(back).not.toBe(frozen);
    expect(Object.isFrozen((back as typeof frozen).a)).toBe(true);
    const open = Object.freeze({ a: [1] });
    expect(await pair.back(open)).toBe(open);
  });

  it("byValue() copies a graph with its cycles and shared nodes", async () => {
    await using pair = await echoPair();
    const shared = { n: 1 };
    const graph: Record<string, unknown> = {
      a: shared,
      b: [shared],
      m: new Map([[shared, new Set([1])]]),
    };
    graph["self"] = graph;
    const copy = (await pair.back(byValue(graph))) as typeof graph;
    // It came back from a reference to the copy that is there.
    const local = (await snapshot(copy)) as typeof graph;
    expect(isRemote(local)).toBe(false);
    expect(local["self"]).toBe(local);
    expect((local["b"] as unknown[])[0]).toBe(local["a"]);
    expect([...(local["m"] as Map<unknown, unknown>).keys()][0]).toBe(local["a"]);
    expect(structuredClone(local)).toEqual(local);
  });

  it("byRef() sends a reference to what would be copied", async () => {
    await using pair = await echoPair("copy");
    const date = new Date(7);
    const data = { a: 1 };
    expect(await pair.back(byRef(date))).toBe(date);
    expect(await pair.back(byRef(data))).toBe(data);
  });

  it("takes the keys __proto__, then and toJSON as data", async () => {
    await using pair = await echoPair("copy");
    const hostile = JSON.parse('{"__proto__":{"polluted":1},"toJSON":2,"constructor":3}') as object;
    const back = (await pair.back([hostile])) as object[];
    expect(Object.keys(back[0] as object)).toEqual(["__proto__", "toJSON", "constructor"]);
    expect(Object.getPrototypeOf(back[0])).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    await using giving = await sessionPair({ far: { exports: { hostile } } });
    const byGraph = (await snapshot(giving.near.remote("hostile"))) as object;
    expect(Object.getPrototypeOf(byGraph)).toBe(Object.prototype);
    expect(Object.keys(byGraph)).toContain("toJSON");
  });

  it("settles a promise in an argument, a result or a property on the other side", async () => {
    const api = {
      wait: async (promise: PromiseLike<number>) => (await promise) + 1,
      nested: async (o: { p: Promise<number> }) => await o.p,
      give: () => ({ later: Promise.resolve(5) }),
    };
    await using pair = await sessionPair({
      near: { plain: "copy" },
      far: { exports: { api }, plain: "copy" },
    });
    const remote = pair.near.remote<typeof api, "copy">("api");
    expect(await remote.wait(Promise.resolve(1))).toBe(2);
    expect(await remote.nested({ p: Promise.resolve(9) })).toBe(9);
    await expect(remote.wait(Promise.reject(new RangeError("no")))).rejects.toThrow(RangeError);
    const given = (await remote.give()) as unknown as { later: Promise<number> };
    expect(await given.later).toBe(5);
  });

  it("returns whatever plain data it is given (property)", async () => {
    await using pair = await echoPair("copy");
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        expect(await pair.back(value)).toEqual(value);
      }),
      { numRuns: 200 },
    );
  });

  it("shows a reference without asking the peer", async () => {
    await using pair = await echoPair();
    const object = await pair.near.remote<typeof echo>("echo").keep;
    const before = pair.near.stats().calls;
    expect(inspect(object)).toMatch(/^Remote<Map #\d+>$/);
    expect(inspect(pair.near.remote<typeof echo>("echo").back)).toBe("Remote<echo.back>");
    expect(pair.near.stats().calls).toBe(before);
  });
});

function bytesOf(view: ArrayBufferView): number[] {
  return Array.from(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
}
