import { describe, expect, it } from "vitest";

import { addReport, type ErrorReport, resolveRecord } from "../../src/tree/error-record.ts";

function report(node: string, time: number): ErrorReport {
  return { detail: { name: "Error", message: node, trace: "" }, data: {}, node, time };
}

describe("addReport()", () => {
  it("keeps first and count, and takes the rest from the last report", () => {
    const one = addReport(undefined, report("a", 1));
    const two = addReport(one, report("b", 2));
    expect(two).toMatchObject({ count: 2, first: 1, last: 2, message: "b" });
    expect(two.nodes["a"]).toMatchObject({ count: 1, first: 1, last: 1 });
  });

  it("keeps the 64 nodes that reported last", () => {
    let record = addReport(undefined, report("n0", 0));
    for (let i = 1; i < 100; i++) record = addReport(record, report(`n${i}`, i));
    expect(Object.keys(record.nodes)).toHaveLength(64);
    expect([record.count, "n35" in record.nodes, "n36" in record.nodes]).toEqual([
      100,
      false,
      true,
    ]);
  });

  it("takes a node of any name", () => {
    const record = addReport(addReport(undefined, report("__proto__", 1)), report("toString", 2));
    expect(Object.keys(record.nodes)).toEqual(["__proto__", "toString"]);
    expect(Object.values(record.nodes).map((node) => node.count)).toEqual([1, 1]);
  });
});

describe("resolveRecord()", () => {
  it("keeps when a node's part was resolved before the record was", () => {
    const known = addReport(addReport(undefined, report("a", 1)), report("b", 2));
    const all = resolveRecord(resolveRecord(known, 3, "a"), 4, undefined);
    expect([all.resolved, all.nodes["a"]?.resolved, all.nodes["b"]?.resolved]).toEqual([4, 3, 4]);
  });

  it("changes nothing where nothing is open", () => {
    const known = resolveRecord(addReport(undefined, report("a", 1)), 2, undefined);
    expect(resolveRecord(known, 3, undefined)).toBe(known);
    expect(resolveRecord(known, 3, "a")).toBe(known);
  });
});
