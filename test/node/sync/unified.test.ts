import * as fc from "fast-check";
import { expect, it } from "vitest";

import { unifiedDiff } from "../../../src/node/sync/unified.ts";

it("unifiedDiff() makes one text of the other, whatever they are", () => {
  const text = fc
    .array(fc.constantFrom("a\n", "b\n", "c\n", "\n", "d"), { maxLength: 30 })
    .map((some) => some.join(""));
  fc.assert(
    fc.property(text, text, (before, after) => {
      expect(apply(before, unifiedDiff(before, after))).toBe(after);
    }),
    { numRuns: 1_000 },
  );
});

it("unifiedDiff() prints what `diff -u` prints", () => {
  const before = Array.from({ length: 12 }, (_, i) => `line ${i}\n`).join("");
  const after = before.replace("line 1\n", "").replace("line 10\n", "line ten\nand more\n");
  expect(unifiedDiff(before, after)).toBe(
    "@@ -1,5 +1,4 @@\n line 0\n-line 1\n line 2\n line 3\n line 4\n" +
      "@@ -8,5 +7,6 @@\n line 7\n line 8\n line 9\n-line 10\n+line ten\n+and more\n line 11\n",
  );
  expect(unifiedDiff("", "a\n")).toBe("@@ -0,0 +1,1 @@\n+a\n");
  expect(unifiedDiff("a\n", "")).toBe("@@ -1,1 +0,0 @@\n-a\n");
  expect(unifiedDiff("a", "a\n")).toBe("@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n");
  expect(unifiedDiff("a\n", "a\n")).toBe("");
});

it("unifiedDiff() gives up on the fewest lines where texts have little in common", () => {
  const patch = unifiedDiff(lines("a"), lines("b"));
  expect(apply(lines("a"), patch)).toBe(lines("b"));
});

function lines(name: string): string {
  return Array.from({ length: 5_000 }, (_, i) => `${name} ${i}\n`).join("");
}

/** As `patch` would, which refuses what does not fit. */
function apply(before: string, patch: string): string {
  const old = before.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  let [at, made] = [0, ""];
  const steps = patch.split("\n").slice(0, -1);
  for (const [i, line] of steps.entries()) {
    const [, first, count] = /^@@ -(\d+),(\d+) /.exec(line) ?? [];
    if (first !== undefined) {
      const start = Number(count) === 0 ? Number(first) : Number(first) - 1;
      made += old.slice(at, start).join("");
      at = start;
      continue;
    }
    if (line.startsWith("\\")) continue;
    const text = line.slice(1) + (steps[i + 1]?.startsWith("\\") === true ? "" : "\n");
    if (line[0] !== "+" && old[at++] !== text) throw new Error(`${line} does not fit`);
    if (line[0] !== "-") made += text;
  }
  return made + old.slice(at).join("");
}
