import { describe, expect, it } from "vitest";

import { cleanStack, findCodePlace, sourceUrl } from "../../src/code/source-url.ts";

describe("sourceUrl()", () => {
  it.each(["a.b", "a:_b", "ä/ö", "a@b+1:2", "x(y)", "\n", '"', "%41", "\uD800", "a:2:t"])(
    "holds any name: %j",
    (name) => {
      const url = sourceUrl(name, "0123abcd", 12);
      expect(url).not.toMatch(/[\s"'`()]/);
      const place = findCodePlace(`    at f (${url}:3:4)`);
      expect(place).toEqual({
        name: name.replace("\uD800", "\uFFFD"),
        key: "0123abcd",
        line: 3,
        column: 4,
      });
    },
  );

  it("takes the wrapper off columns of line 1 alone", () => {
    const url = sourceUrl("a", "00", 10);
    expect(findCodePlace(`${url}:1:15`)?.column).toBe(5);
    expect(findCodePlace(`${url}:2:15`)?.column).toBe(15);
    expect(findCodePlace(`${url}:1:3`)?.column).toBe(1);
  });
});

describe("cleanStack()", () => {
  it("shows places in stored code, and drops the frames of Banyan and of Node", () => {
    const url = sourceUrl("a.b", "00ff", 10);
    const own = new URL("../../src/code/procedure.ts", import.meta.url);
    const stack = [
      "Error: in tree:a.b",
      `    at quux (${url}:1:15)`,
      `    at ${url}:2:3`,
      `    at call (${own.href}:73:14)`,
      `    at call (${own.pathname}:73:14)`,
      "    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
      "    at main (/home/me/main.ts:1:1)",
    ].join("\n");
    expect(cleanStack(stack).split("\n")).toEqual([
      "Error: in tree:a.b",
      "    at quux (tree:a.b:1:5)",
      "    at tree:a.b:2:3",
      "    at main (/home/me/main.ts:1:1)",
    ]);
  });
});
