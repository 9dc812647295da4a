import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { parseJob } from "../../src/runner/parse-job.ts";
import {
  type Candidate,
  isEligible,
  rankDelayMs,
  rankNodes,
  whyNotEligible,
} from "../../src/runner/placement.ts";

const JOB = parseJob({ code: "a" });

function node(name: string, more: Partial<Candidate> = {}): Candidate {
  return {
    name,
    groups: ["default"],
    types: ["single", "any", "all"],
    labels: {},
    load: 0,
    free: 10,
    ...more,
  };
}

function shares(nodes: readonly Candidate[], jobs = 2_000): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i < jobs; i++) {
    const [first = ""] = rankNodes(`job.j${i}`, JOB, nodes);
    counts.set(first, (counts.get(first) ?? 0) + 1);
  }
  return counts;
}

describe("rankNodes()", () => {
  it("comes to the same order whatever order the nodes are known in", () => {
    const nodes = ["n1", "n2", "n3", "n4", "n5"].map((name) => node(name));
    fc.assert(
      fc.property(fc.shuffledSubarray(nodes, { minLength: 5 }), fc.string(), (some, job) => {
        expect(rankNodes(job, JOB, some)).toEqual(rankNodes(job, JOB, nodes));
      }),
    );
  });

  it("moves no job between nodes that stay, when one leaves", () => {
    const nodes = ["n1", "n2", "n3", "n4"].map((name) => node(name));
    fc.assert(
      fc.property(fc.string(), (job) => {
        const all = rankNodes(job, JOB, nodes);
        const fewer = rankNodes(job, JOB, nodes.slice(0, 3));
        expect(fewer).toEqual(all.filter((name) => name !== "n4"));
      }),
    );
  });

  it("spreads jobs evenly, and fewer to who has less to spare", () => {
    const even = shares([node("n1"), node("n2"), node("n3")]);
    for (const name of ["n1", "n2", "n3"]) expect(even.get(name)).toBeGreaterThan(550);
    const uneven = shares([node("n1", { load: 0.75 }), node("n2"), node("n3")]);
    expect(uneven.get("n1")).toBeGreaterThan(100);
    expect(uneven.get("n1")).toBeLessThan(350);
  });

  it("leaves out who is full or not eligible", () => {
    const nodes = [node("n1", { free: 0 }), node("n2", { groups: ["other"] }), node("n3")];
    expect(rankNodes("job", JOB, nodes)).toEqual(["n3"]);
  });
});

describe("isEligible()", () => {
  it.each([
    [{ place: { node: "n2" } }, {}, "it is for node n2"],
    [{ place: { any: "house" } }, {}, "not in group house"],
    [{ place: { node: "n1", group: "house" } }, {}, "not in group house"],
    [{ place: { all: "default" } }, { types: ["any"] as const }, "does not serve all-node jobs"],
    [{ labels: { gpu: "", zone: "a" } }, { labels: { zone: "b" } }, "lacks gpu, zone=a"],
    [{ labels: { toString: "" } }, {}, "lacks toString"],
  ])("refuses %j on %j: %s", (job, more, why) => {
    const entry = parseJob({ code: "a", ...job });
    expect(isEligible(entry, node("n1", more))).toBe(false);
    expect(whyNotEligible(entry, node("n1", more))).toBe(why);
  });
});

describe("rankDelayMs()", () => {
  it("lets the best go first and keeps the ranks apart", () => {
    expect(rankDelayMs(0, 0.9)).toBe(0);
    expect(rankDelayMs(1, 0)).toBe(50);
    expect(rankDelayMs(1, 0.99)).toBeLessThanOrEqual(rankDelayMs(2, 0));
    expect(rankDelayMs(1e6, 0.5)).toBe(2_000);
  });
});
