import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it } from "vitest";

const DOCS = join(import.meta.dirname, "../../docs");

it("every proof in guarantees.md is a test that is there", () => {
  const text = readFileSync(join(DOCS, "guarantees.md"), "utf8");
  const rows = text.split("\n").filter((line) => /^\| [A-Z`]/.test(line));
  expect(rows.length).toBeGreaterThan(25);
  for (const row of rows) {
    const [, file = "", name = ""] = /\]\((.+?)\): "(.+)" \|$/.exec(row) ?? [];
    expect(`${row} -> ${readFileSync(join(DOCS, file), "utf8").includes(`"${name}"`)}`).toBe(
      `${row} -> true`,
    );
  }
});
