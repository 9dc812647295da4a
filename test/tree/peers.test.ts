import { describe, expect, test } from "vitest";

import { BanyanError, EngineError } from "../../src/base/errors.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { path } from "../../src/testing/engine-suite-kit.ts";
import type { TreeAnswer, TreePresenceEvent } from "../../src/tree/peers.ts";
import { Tree } from "../../src/tree/tree.ts";
import { Path } from "../../src/wire/path.ts";
import { TestHub } from "../engine/hub-kit.ts";

/** What a caller without types may give. */
function odd(value: unknown): never {
  return value as never;
}

async function pair(): Promise<{ near: Tree; far: Tree } & AsyncDisposable> {
  const hub = new TestHub(new MemoryEngine());
  const near = Tree.over(await hub.client(), { author: "near" });
  const far = Tree.over(await hub.client(), { author: "far" });
  return { near, far, [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose]() };
}

describe("Peers.request()", () => {
  test("passes values of every kind, and undefined, both ways", async () => {
    await using both = await pair();
    await both.far.peers.respond("echo", (value, { topic }) => ({ value, topic })).ready;
    const values = [undefined, null, -0, 2n ** 80n, "\ud800", [1, { a: path("a:2") }], new Date(1)];
    for (const value of values) {
      const answer = (await both.near.peers.request("echo", value)) as Record<string, unknown>;
      expect(answer).toStrictEqual({ value, topic: path("echo") });
      expect(answer["topic"]).toBeInstanceOf(Path);
    }
    await both.far.peers.respond("nothing", () => {}).ready;
    expect(await both.near.peers.request("nothing")).toBeUndefined();
  });

  test("throws what the responder threw, with class, code, cause and properties", async () => {
    await using both = await pair();
    const { near, far } = both;
    await far.peers.respond("range", () => {
      throw Object.assign(new RangeError("too far", { cause: new TypeError("why") }), { by: 3 });
    }).ready;
    // Not taken for one of the requester's own engine.
    await far.peers.respond("closed", async () => {
      throw new EngineError("ENGINE_CLOSED", "the responder's");
    }).ready;
    await far.peers.respond("text", () => Promise.reject("just text")).ready;
    const thrown = async (topic: string): Promise<unknown> =>
      near.peers.request(topic).catch((error: unknown) => error);
    const range = await thrown("range");
    expect(range).toBeInstanceOf(RangeError);
    expect(range).toMatchObject({ message: "too far", by: 3, cause: { message: "why" } });
    const closed = await thrown("closed");
    expect(BanyanError.has(closed, "ENGINE_CLOSED")).toBe(true);
    expect(closed).toMatchObject({ message: "the responder's" });
    expect(await thrown("text")).toBe("just text");
    expect(await near.peers.request("range").catch(() => "still there")).toBe("still there");
  });

  test("fails for a result that can't be sent, and says what it is", async () => {
    await using both = await pair();
    await both.far.peers.respond("function", () => () => 1).ready;
    await expect(both.near.peers.request("function")).rejects.toMatchObject({
      code: "TREE_BAD_VALUE",
    });
    await expect(both.near.peers.request("function", () => 1)).rejects.toMatchObject({
      code: "TREE_BAD_VALUE",
    });
    await expect(
      both.near.peers.request("function", new Uint8Array(5_000_000)),
    ).rejects.toMatchObject({ code: "ENGINE_TOO_LARGE" });
  });

  test("requestAll() tells who answered what, errors included", async () => {
    await using both = await pair();
    await both.near.peers.respond("who", () => "me").ready;
    await both.far.peers.respond("#", () => {
      throw new Error("not me");
    }).ready;
    const answers: TreeAnswer[] = [];
    for await (const answer of both.near.peers.requestAll("who")) answers.push(answer);
    expect(answers.toSorted((a, b) => (a.by < b.by ? -1 : 1))).toMatchObject([
      { by: "far", value: undefined, error: { message: "not me" } },
      { by: "near", value: "me" },
    ]);
  });

  test("refuses options and functions that make no sense", async () => {
    await using tree = Tree.over(new MemoryEngine());
    await expect(tree.peers.request("a", 1, odd({ timeout: 5 }))).rejects.toThrow(TypeError);
    await expect(tree.peers.request("a", 1, { timeoutMs: -1 })).rejects.toThrow(RangeError);
    expect(() => tree.peers.respond("a", odd(5))).toThrow(TypeError);
    expect(() => tree.peers.accept("a", odd("b"))).toThrow(TypeError);
    expect(() => tree.subscribe("a", odd({ group: 5 }))).toThrow(TypeError);
  });
});

describe("Peers.announce() and presence()", () => {
  test("list() gives who is there, with what they say of themselves", async () => {
    await using both = await pair();
    const here = both.far.peers.announce("house.cellar", { lamps: 2 });
    await here.ready;
    expect(await both.near.peers.list("house")).toMatchObject([
      { place: path("house.cellar"), about: { lamps: 2 } },
    ]);
    expect(await both.near.peers.list("garden")).toEqual([]);
    await here.close();
    await both.near.set("a", 1);
    expect(await both.near.peers.list()).toEqual([]);
  });

  test("who closes its tree has left", async () => {
    await using both = await pair();
    const events = both.near.peers.presence("a");
    expect((await events.next()).value).toEqual({ type: "ready" });
    await both.far.peers.announce("a").ready;
    expect((await events.next()).value).toMatchObject({ type: "join" });
    await both.far.close();
    const left = (await events.next()).value as TreePresenceEvent;
    expect(left).toMatchObject({ type: "leave", reason: "left" });
    await events.return();
  });
});

describe("after close()", () => {
  test("nobody is asked and nothing can be offered", async () => {
    await using both = await pair();
    await both.far.peers.respond("a", () => 1).ready;
    await both.far.close();
    await expect(both.near.peers.request("a")).rejects.toMatchObject({
      code: "ENGINE_NO_RESPONDER",
    });
    const { peers } = both.far;
    await expect(peers.request("a")).rejects.toMatchObject({ code: "TREE_CLOSED" });
    expect(() => peers.respond("a", () => 1)).toThrow(
      expect.objectContaining({ code: "TREE_CLOSED" }),
    );
    expect(() => peers.announce("a")).toThrow(expect.objectContaining({ code: "TREE_CLOSED" }));
    await expect(peers.connect("a")).rejects.toMatchObject({ code: "TREE_CLOSED" });
  });
});
