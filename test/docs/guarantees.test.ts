import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it } from "vitest";

const DOCS = join(import.meta.dirname, "../../docs");

it("every proof in security.md is a test that is there", () => {
  const text = readFileSync(join(DOCS, "security.md"), "utf8");
  const rows = [...text.matchAll(/\]\((\.\.\/test\/.+?)\): "(.+)" \|/g)];
  expect(rows.length).toBeGreaterThan(5);
  for (const [, file = "", name = ""] of rows) {
    const isThere = readFileSync(join(DOCS, file), "utf8").includes(`"${name}"`);
    expect(`${name} -> ${isThere}`).toBe(`${name} -> true`);
  }
});

it("every proof in guarantees.md is a test that is there", () => {
  const text = readFileSync(join(DOCS, "guarantees.md"), "utf8");
  const rows = text.split("\n").filter((line) => /^\| [A-Z`]/.test(line));
  expect(rows.length).toBeGreaterThan(25);
  for (const row of rows) {
    const proofs = [...row.matchAll(/\]\((.+?)\): "(.+?)"(?=; \[| \|$)/g)];
    const there = proofs.map(([, file = "", name = ""]) =>
      readFileSync(join(DOCS, file), "utf8").includes(`"${name}"`),
    );
    expect([row, there.length > 0 && !there.includes(false)]).toEqual([row, true]);
  }
});
