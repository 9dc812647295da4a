import { existsSync, readFileSync } from "node:fs";

import { expect, it } from "vitest";

import { FILES, MORE } from "../../scripts/policy-mutations.mjs";

const source = (file: string): string =>
  readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");

it("what scripts/mutate-policy.mjs takes out is there", () => {
  expect(FILES.filter((file) => !existsSync(new URL(`../../${file}`, import.meta.url)))).toEqual(
    [],
  );
  expect(MORE.filter(({ file, find }) => !source(file).includes(find))).toEqual([]);
});
