import { describe, expect, it } from "vitest";

import { List } from "../../src/remote/list.ts";
import { Operation } from "../../src/remote/protocol.ts";
import { Template } from "../../src/remote/replay.ts";
import { stubOf } from "../../src/remote/stub-handle.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

const list = (...values: unknown[]): List => new List(values);
const item = list(Template.result, 0, list());
const get = list(Operation.get, list("a"), item);

function nested(depth: number): List {
  let template = list(Template.value, 1);
  for (let i = 0; i < depth; i++) template = list(Template.array, template);
  return template;
}

function* endless(): Generator<number> {
  for (let i = 0; ; i++) yield i;
}

/** What a peer sends that writes its own programs. */
async function mapping(program: unknown): Promise<unknown> {
  const secret = { a: 1, set: () => 1 };
  await using pair = await sessionPair({ far: { exports: { items: [secret] } } });
  const stub = stubOf(pair.near.remote("items"));
  const answer = await stub?.request(Operation.map, [program]);
  expect(await pair.near.names()).toEqual(["items"]);
  return answer instanceof List ? answer.values : answer;
}

describe("a program for map() that a peer wrote itself", () => {
  it("is done for each item", async () => {
    expect(await mapping(list(list(get), list(Template.result, 1, list())))).toEqual([1]);
    expect(await mapping(list(list(), nested(30)))).toHaveLength(1);
  });

  it.each<[string, unknown]>([
    ["no list", 5],
    ["no list of steps", list(5, item)],
    ["no result", list(list(get))],
    ["65 steps", list(list(...Array.from({ length: 65 }, () => get)), item)],
    ["a step that is none", list(list(5), item)],
    ["a step that sets", list(list(list(Operation.set, list("a"), item, item)), item)],
    ["a step that evaluates", list(list(list(Operation.evaluate, list(), item)), item)],
    ["a step that maps", list(list(list(Operation.map, list(), item)), item)],
    [
      "a path of 65 steps",
      list(list(list(Operation.get, list(...Array.from({ length: 65 }, () => "a")), item)), item),
    ],
    ["a path that is none", list(list(list(Operation.get, "a", item)), item)],
    ["a name that is none", list(list(list(Operation.get, list(7), item)), item)],
    ["a template that is none", list(list(), 5)],
    ["a template of no kind", list(list(), list(9))],
    ["templates nested 40 deep", list(list(), nested(40))],
    ["a result that is not there yet", list(list(), list(Template.result, 1, list()))],
    ["a result by a name", list(list(), list(Template.result, "length", list()))],
    ["a property by no name", list(list(), list(Template.object, 5, item))],
  ])("is refused: %s", async (_, program) => {
    await expect(mapping(program)).rejects.toThrow("the steps of map() are malformed");
  });

  it("is over after 65,536 steps, however long what it is for", async () => {
    await using pair = await sessionPair({
      far: { exports: { endless: { [Symbol.iterator]: endless } }, policy: "trusted" },
    });
    const stub = stubOf(pair.near.remote("endless"));
    const answer = Promise.resolve(
      stub?.request(Operation.map, [list(list(), list(Template.value, 1))]),
    );
    await expect(answer).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
  });

  it("is counted by what it makes for each item", async () => {
    const many = list(
      Template.array,
      ...Array.from({ length: 500 }, () => list(Template.value, 0)),
    );
    const items = Array.from({ length: 100 }, () => 0);
    await using pair = await sessionPair({
      far: { exports: { items }, limits: { maxItems: 5_000 } },
    });
    const stub = stubOf(pair.near.remote("items"));
    const answer = Promise.resolve(stub?.request(Operation.map, [list(list(), many)]));
    await expect(answer).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
  });
});
