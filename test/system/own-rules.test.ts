/** Rules of trees that a program has for itself, without a hub: their code is not the program's either. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, describe, expect, it } from "vitest";

import { ROOT, temporaryFolder } from "./kit.ts";

const SCRIPT = join(ROOT, "test/system/processes/own-rules.mjs");
const DEADLINE = { timeout: 50_000, killSignal: "SIGKILL" } as const;

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

/** What a program says that has such a tree, and ends in order, by itself. */
async function program(url: string, what: string): Promise<string[]> {
  const done = await promisify(execFile)(process.execPath, [SCRIPT, url, what], DEADLINE);
  expect(done.stderr).toBe("");
  return done.stdout.trimEnd().split("\n");
}

const ALSO = [
  "others: written written",
  expect.stringMatching(
    /^next: written TREE_RULE_VIOLATED undefined fine\.a does not fit the type/,
  ),
  "read: a a",
];
/** By its time, as a rule, or by the memory that goes with it. */
function failed(start: string): unknown {
  return expect.stringMatching(
    new RegExp(`^${start}: .*(its code did not end within 1 s|its code took too much memory)$`),
  );
}

describe("a tree of a program's own", () => {
  it("in memory refuses a value whose check leaves promises without end, and takes others", async () => {
    expect(await program("memory:", "promises")).toEqual([
      failed("bad: TREE_RULE_FAILED (timeout|lost) bad.a can't be checked against the type bad"),
      ...ALSO,
    ]);
  });

  it.each(["ticks", "throws"])(
    "in memory is not harmed by a check that leaves what never ends, or throws: %s",
    async (what) => {
      const [bad, ...also] = await program("memory:", what);
      // What is left behind may come to something before or after the answer.
      expect(bad).toMatch(
        /^bad: (written|TREE_RULE_FAILED (timeout|lost) bad\.a can't be checked)/,
      );
      expect(also).toEqual(ALSO);
    },
  );

  it("in a folder refuses such values for checks and codecs, and takes others", async () => {
    expect(await program(join(folder.path, "tree"), "promises")).toEqual([
      failed("bad: TREE_RULE_FAILED (timeout|lost) bad.a can't be checked against the type bad"),
      ...ALSO,
      failed("coded: TREE_RULE_FAILED (timeout|lost) coded.a can't be written with the codec bad"),
      "next: written a",
    ]);
  });
});
