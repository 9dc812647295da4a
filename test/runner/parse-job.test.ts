import { describe, expect, it } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import { JOB_DEFAULTS } from "../../src/runner/job.ts";
import { checkJob, parseJob } from "../../src/runner/parse-job.ts";
import { Path } from "../../src/wire/path.ts";

function refusal(input: unknown): string {
  try {
    parseJob(input);
  } catch (error) {
    if (BanyanError.has(error, "RUNNER_BAD_JOB")) return error.message;
    throw error;
  }
  return "taken";
}

describe("parseJob()", () => {
  it("fills in what is left out", () => {
    const code = Path.fromElements(["a", "b"]);
    expect(parseJob({ code: "a.b" })).toEqual({ ...JOB_DEFAULTS, code });
    expect(parseJob({ code: ["a", "b"], place: { node: "n" } }).place).toEqual({ node: "n" });
  });

  it("takes moments as dates, seconds or null", () => {
    expect(parseJob({ code: "a", target: new Date(5_000) }).target).toBe(5);
    expect(parseJob({ code: "a", target: 7.5 }).target).toBe(7.5);
    expect(parseJob({ code: "a", target: null }).target).toBeNull();
  });

  it.each([
    [17, "the entry must be an object with `code`, not number 17"],
    [[], "the entry must be an object with `code`, not an array"],
    [null, "the entry must be an object with `code`, not null"],
    [{}, "`code` must be a path, not nothing"],
    [{ code: 5 }, "`code` must be a path, not number 5"],
    [{ code: "a", delay: "5" }, '`delay` must be a number, not the string "5"'],
    [{ code: "a", delay: -1 }, "`delay` must be at least 0, not number -1"],
    [{ code: "a", delay: Number.NaN }, "`delay` must be a number, not number NaN"],
    [{ code: "a", backoff: 0.5 }, "`backoff` must be at least 1, not number 0.5"],
    [{ code: "a", info: 5 }, "`info` must be a string, not number 5"],
    [{ code: "a", data: [1] }, "`data` must be an object, not an array"],
    [{ code: "a", enabled: "no" }, '`enabled` must be a boolean, not the string "no"'],
    [{ code: "a", executor: "warp" }, '`executor` must be "lane", not the string "warp"'],
    [
      { code: "a", target: "soon" },
      '`target` must be seconds since 1970, a Date, or null, not the string "soon"',
    ],
    [{ code: "a", place: { any: 5 } }, "`place.any` must be a string, not number 5"],
    ...["", "-", "x".repeat(129), "a\ud800"].map((name): [unknown, string] => [
      { code: "a", place: { node: name } },
      `\`place.node\` must be a name: text of 1 to 128 characters, and not "-", not the string ${JSON.stringify(name.slice(0, 40))}`,
    ]),
    [{ code: "a", place: {} }, "`place` must be one of `any`, `node` and `all`, not 0 of them"],
    [
      { code: "a", place: { any: "g", all: "g" } },
      "`place` must be one of `any`, `node` and `all`, not 2 of them",
    ],
    [
      { code: "a", place: { any: "g", group: "h" } },
      "`place.group` must be `node` beside it, not no node",
    ],
    [{ code: "a", labels: { gpu: 1 } }, "`labels.gpu` must be a string, not number 1"],
    [{ code: "a", repat: 5 }, "unknown field `repat` (did you mean repeat?)"],
    [{ code: "a", place: { nod: "n" } }, "unknown field `place.nod` (did you mean node?)"],
  ])("refuses %j", (input, says) => {
    expect(refusal(input)).toBe(says);
  });

  it("names every wrong place at once", () => {
    expect(refusal({ code: 1, delay: "x" }).split("; ")).toHaveLength(2);
  });
});

describe("checkJob()", () => {
  it("keeps what was given, with the code as a path, and adds nothing", () => {
    const code = Path.fromElements(["a"]);
    expect(checkJob({ code: "a", target: new Date(5_000) })).toEqual({ code, target: 5 });
  });
});
