import { describe, expect, it } from "vitest";

import { createContext, runInContext } from "node:vm";

import { Operation } from "../../src/remote/protocol.ts";
import { Reflection } from "../../src/remote/reflect.ts";
import { keys, set, snapshot } from "../../src/remote.ts";
import { stubOf } from "../../src/remote/stub-handle.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

const limited = { code: "REMOTE_LIMIT" };
const denied = { code: "REMOTE_DENIED" };
type Calls = Record<string, (...args: unknown[]) => Promise<unknown>>;

function* endless(): Generator<number> {
  for (let i = 0; ; i++) yield i;
}

async function ask(on: unknown, ...operands: unknown[]): Promise<unknown> {
  return await stubOf(on)?.request(Operation.reflect, operands, []);
}

/** 4,000 steps for each message, and 64,000 elements. */
const limits = { maxItems: 1_000 };

async function setUp(exports: Record<string, unknown>, policy?: "trusted") {
  const pair = await sessionPair({ far: { exports, limits, ...(policy ? { policy } : {}) } });
  return Object.assign(pair, { at: (name: string) => pair.near.remote<Calls>(name) });
}

/** Little that becomes much: each level is twice the one below. */
function doubled(levels: number): unknown[] {
  let array: unknown[] = ["x"];
  for (let i = 0; i < levels; i++) array = [array, array];
  return array;
}

describe("methods of an array that a peer calls", () => {
  it.each(["flat", "join", "toString", "toLocaleString", "sort"])(
    "are refused where little becomes much: %s",
    async (method) => {
      await using pair = await setUp({ list: doubled(28) });
      const args = method === "flat" ? [40] : [];
      await expect(pair.at("list")[method]?.(...args)).rejects.toMatchObject(limited);
      expect(await pair.at("list")["at"]?.(0)).toBeDefined();
    },
  );

  it("look into arrays within each other only so deep", async () => {
    let nested: unknown[] = [1];
    for (let i = 0; i < 200; i++) nested = [nested];
    await using pair = await setUp({ nested, shallow: [[[1], 2], 3] });
    await expect(pair.at("nested")["join"]?.()).rejects.toMatchObject(denied);
    expect(await pair.at("shallow")["join"]?.("-")).toBe("1,2-3");
  });

  it("are counted by message: what is behind is refused, the next message is not", async () => {
    await using pair = await setUp({ list: Array.from({ length: 20_000 }, () => 0) });
    const remote = pair.at("list");
    const calls = Array.from({ length: 5 }, async () => await remote["indexOf"]?.(1));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
      "rejected",
    ]);
    expect(outcomes[3]).toMatchObject({ reason: limited });
    expect(await remote["indexOf"]?.(1)).toBe(-1);
  });

  it.each<[string, unknown[]]>([
    ["fill", [0]],
    ["slice", []],
    ["concat", [[1]]],
    ["map", [(x: unknown) => x]],
    ["includes", [7]],
    ["reverse", []],
    ["toSorted", [() => 0]],
  ])("are refused on too long a one: %s", async (method, args) => {
    const list = Array.from({ length: 100_000 }, () => 0);
    if (!(method in list)) return;
    await using pair = await setUp({ list });
    await expect(pair.at("list")[method]?.(...args)).rejects.toMatchObject(limited);
  });

  it("count what is concatenated, also what is there many times", async () => {
    await using pair = await setUp({ list: Array.from({ length: 3_000 }, () => 0) });
    const remote = pair.at("list");
    const one = await pair.near.remote("list");
    const many = Array.from({ length: 60 }, () => one);
    await expect(remote["concat"]?.(...many)).rejects.toMatchObject(limited);
    const both = (await remote["concat"]?.(one)) as
      | { readonly length: Promise<number> }
      | undefined;
    expect(await both?.length).toBe(6_000);
  });

  it("run on arrays only: what says that it has a length may go on for years", async () => {
    const data: Record<string, unknown> = { list: [1] };
    await using pair = await setUp({ data });
    const remote = pair.near.remote<{ list: Calls } & Calls>("data");
    await set(remote, "fill", await remote.list["fill"]);
    await set(remote, "length", 2 ** 53 - 1);
    await expect(remote["fill"]?.(0)).rejects.toMatchObject(denied);
    await expect(remote.list["concat"]?.(await pair.near.remote("data"))).resolves.toBeDefined();
    data[Symbol.isConcatSpreadable as never] = true;
    const spread = remote.list["concat"]?.(await pair.near.remote("data"));
    await expect(spread).rejects.toMatchObject(denied);
  });

  it("run on arrays only, also those of another realm", async () => {
    const context = createContext({});
    const list = runInContext("[1, 2]", context) as unknown[];
    await using pair = await setUp({ list, data: { length: 2 ** 53 - 1, fill: list.fill } });
    expect(await pair.at("list")["indexOf"]?.(2)).toBe(1);
    await expect(pair.at("data")["fill"]?.(0)).rejects.toMatchObject(denied);
  });

  it("take no function of this side's as a way around its policy", async () => {
    class Vault {
      secret = "own";
    }
    const exports = {
      list: [1],
      vault: new Vault(),
      tell(this: unknown) {
        return (this as Vault).secret;
      },
      all: () => Array.from({ length: 100 }, () => 0),
    };
    await using pair = await setUp(exports);
    const [list, vault, tell, all] = await Promise.all(
      ["list", "vault", "tell", "all"].map((name) => pair.near.remote<Calls>(name)),
    );
    const remote = pair.at("list");
    await expect(remote["map"]?.(tell, vault)).rejects.toMatchObject(denied);
    await expect(remote["flatMap"]?.(all)).rejects.toMatchObject(denied);
    const concat = await (list?.["concat"] as unknown as Promise<unknown>);
    await expect(remote["map"]?.(concat, vault)).rejects.toMatchObject(denied);
    await expect(remote["forEach"]?.(concat)).rejects.toMatchObject(denied);
    await remote["push"]?.(tell, vault);
    expect(await (remote["length"] as unknown as Promise<number>)).toBe(3);
  });

  it("are not counted for whoever is trusted", async () => {
    await using pair = await setUp({ list: Array.from({ length: 500_000 }, () => 0) }, "trusted");
    expect(await pair.at("list")["indexOf"]?.(1)).toBe(-1);
  });
});

describe("other containers", () => {
  it("are counted as well: Map, Set, typed arrays", async () => {
    const many = Array.from({ length: 100_000 }, (_, i) => i);
    const exports = {
      map: new Map(many.map((i) => [i, i])),
      set: new Set(many),
      bytes: { view: new Uint8Array(100_000) },
    };
    await using pair = await setUp(exports);
    await expect(pair.at("map")["forEach"]?.(() => 0)).rejects.toMatchObject(limited);
    await expect(pair.at("set")["forEach"]?.(() => 0)).rejects.toMatchObject(limited);
    const { view } = pair.near.remote<{ view: Calls }>("bytes");
    await expect(view["indexOf"]?.(1)).rejects.toMatchObject(limited);
    expect(await pair.at("map")["get"]?.(7)).toBe(7);
    expect(await pair.at("set")["has"]?.(7)).toBe(true);
  });

  it("list what is in them as far as there is room", async () => {
    const data = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`k${i}`, i]));
    await using pair = await setUp({ data });
    const remote = pair.near.remote<Record<string, number>>("data");
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => keys(remote)));
    expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(5);
  });

  it("that don't fit in an answer are tried a few times, and no more", async () => {
    let reads = 0;
    const data = { list: Array.from({ length: 3_000 }, () => 0) };
    Object.defineProperty(data, "read", { enumerable: true, get: () => reads++ });
    await using pair = await setUp({ data });
    const remote = pair.near.remote<typeof data>("data");
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => snapshot(remote)));
    expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
    expect(outcomes.at(-1)).toMatchObject({ reason: limited });
  });

  it("that may have no end are iterated, and nothing else", async () => {
    if (!("toArray" in endless())) return;
    await using pair = await setUp({ endless });
    const made = await pair.near.remote<() => Calls>("endless")();
    await expect((made as unknown as Calls)["toArray"]?.()).rejects.toMatchObject(denied);
  });
});

describe("what a proxy asks for", () => {
  it("is counted too: listing, and looking for the method that is called", async () => {
    const data = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`k${i}`, i]));
    const odd = Object.assign(() => 1);
    await using pair = await setUp({ data, odd });
    const target = await pair.near.remote("data");
    const f = await pair.near.remote("odd");
    const lists = Array.from({ length: 3 }, () => ask(target, Reflection.keys, 10));
    await expect(Promise.all(lists)).rejects.toMatchObject(limited);
    const calls = Array.from({ length: 3 }, () => ask(f, Reflection.apply, target));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes[0]).toMatchObject({ reason: denied });
    expect(outcomes[2]).toMatchObject({ reason: limited });
  });
});
