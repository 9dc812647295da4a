/** DistKV's case of codecs as it is there: users have them, and their clients know nothing of it. */
import { open } from "banyan";
import { expect, it } from "vitest";

import { INT, INT_CODEC, refusal } from "../rule-examples.ts";
import { temporaryFolder } from "./kit.ts";
import { listeningTree } from "./network-kit.ts";

it("CV1: a user has codecs, another sees what is stored, and rules hold for both", async () => {
  using folder = temporaryFolder();
  await using hub = await listeningTree(folder.path);
  const { rules, users } = hub.local;
  await rules.types.set("int", INT);
  await rules.matches.set("inty.#", { type: "int" });
  await rules.codecs.set("int", INT_CODEC);
  await rules.conversions("foo").set("inty.#", { codec: "int" });
  await users.add("con", { roles: ["admin"], password: "pass word con", codecs: "foo" });
  await users.add("std", { roles: ["admin"], password: "pass word std" });
  const as = (user: string): ReturnType<typeof open> =>
    open(hub.address(), { credentials: { user, password: `pass word ${user}` } });
  await using con = await as("con");
  await using std = await as("std");
  await con.set("inty.ten", "10");
  expect([await con.get("inty.ten"), await std.get("inty.ten")]).toEqual(["10", 10]);
  expect((await refusal(con.set("inty.nope", 11))).code).toBe("TREE_CODEC_REFUSED");
  expect((await refusal(std.set("inty.nope", "11"))).code).toBe("TREE_RULE_VIOLATED");
  expect(await hub.local.get("inty.nope")).toBeUndefined();
  expect(await std.rules.check().toArray()).toEqual([]);
  // It is tried as it is stored, by who might write it.
  expect(await con.rules.test("11", { path: "inty.x" })).toMatchObject({ fits: false });
  expect(await con.rules.test(11, { type: "int" })).toMatchObject({ fits: true });
  await users.add("sees", { roles: ["reader"], password: "pass word sees" });
  await using sees = await as("sees");
  const denied = await refusal(sees.rules.test(11, { path: "inty.x" }));
  expect(denied.code).toBe("ENGINE_DENIED");
});
