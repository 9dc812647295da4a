import { expect, it } from "vitest";

import { isConflict, isInStep, standingOf } from "../../../src/node/sync/standing.ts";

it.each([
  // base, here, there: what changed here, and there
  ["A", "A", "A", undefined, undefined],
  ["A", "B", "A", "changed", undefined],
  ["A", "A", "B", undefined, "changed"],
  ["A", "B", "C", "changed", "changed"],
  ["A", "B", "B", undefined, undefined],
  ["A", undefined, "A", "removed", undefined],
  ["A", "A", undefined, undefined, "removed"],
  ["A", undefined, "B", "removed", "changed"],
  ["A", "B", undefined, "changed", "removed"],
  ["A", undefined, undefined, undefined, undefined],
  [undefined, "A", undefined, "added", undefined],
  [undefined, undefined, "A", undefined, "added"],
  [undefined, "A", "A", undefined, undefined],
  [undefined, "A", "B", "added", "added"],
])("standingOf() of base %s, here %s, there %s is %s here, %s there", (...row) => {
  const [base, local, remote, here, there] = row;
  const standing = standingOf({ base, here: local, there: remote });
  expect(standing).toEqual({ here, there });
  expect(isInStep(standing)).toBe(local === remote);
  expect(isConflict(standing)).toBe(here !== undefined && there !== undefined);
});
