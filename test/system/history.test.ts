/** The past of entries, by the command, with a hub that is killed in between. */
import { expect, test } from "vitest";

import { banyan, hubPid, temporaryFolder } from "./kit.ts";

test("history, diff and revert of the command work across a hub that was killed", async () => {
  using folder = temporaryFolder();
  const run = (...args: string[]): ReturnType<typeof banyan> =>
    banyan(["-t", folder.path, "-o", "json", "data", ...args], { env: { BANYAN_AUTHOR: "ann" } });
  await run("set", "lamp", '{"on": false, "level": 1}');
  await run("set", "lamp", '{"on": true, "level": 1}');
  process.kill(hubPid(folder.path) as number, "SIGKILL");
  await run("set", "lamp", '{"on": true, "level": 2}');
  const versions = JSON.parse((await run("history", "lamp")).stdout) as {
    revision: number;
    author: string;
    value: unknown;
  }[];
  expect(versions.map(({ value, author }) => [value, author])).toEqual([
    [{ on: true, level: 2 }, "ann"],
    [{ on: true, level: 1 }, "ann"],
    [{ on: false, level: 1 }, "ann"],
  ]);
  const diff = await run("diff", "lamp");
  expect(diff.code).toBe(10);
  expect(JSON.parse(diff.stdout)).toEqual([
    { at: ["level"], type: "changed", before: 1, after: 2 },
  ]);
  const oldest = String(versions[2]?.revision);
  expect((await run("revert", "lamp", oldest)).code).toBe(0);
  expect(JSON.parse((await run("get", "lamp")).stdout)).toEqual({ on: false, level: 1 });
  expect((await run("diff", "lamp", "--from", oldest)).code).toBe(0);
  expect((await run("revert", "lamp", "999999")).code).toBe(3);
  expect((await run("history", "nothing")).code).toBe(3);
  expect((await run("keep", "lamp", "--versions", "1", "--days", "7")).code).toBe(0);
  expect(JSON.parse((await run("history", "lamp")).stdout)).toHaveLength(2);
  const rules = JSON.parse((await run("keep")).stdout) as { versions: number }[];
  expect(rules.filter(({ versions: kept }) => kept === 1)).toMatchObject([
    { maxAgeMs: 7 * 24 * 3_600_000 },
  ]);
  expect((await run("keep", "lamp", "--days", "1")).code).toBe(2);
});
