import type { TestFunction } from "./test-function.ts";
import { DATA_CASES } from "./tree-suite-data.ts";
import { ERROR_CASES } from "./tree-suite-errors.ts";
import { LIVE_CASES } from "./tree-suite-live.ts";
import type { TreeCases, TreePair } from "./tree-suite-pair.ts";

export interface TreeSuiteOptions {
  readonly test: TestFunction;
  /** A fresh pair each time. Its disposal closes both trees and what they stand on. */
  readonly open: () => Promise<TreePair>;
}

/** What a tree must do, whatever engine it stands on. */
export function treeSuite({ test, open }: TreeSuiteOptions): void {
  for (const cases of [DATA_CASES, LIVE_CASES, ERROR_CASES] satisfies TreeCases[]) {
    for (const [name, run] of Object.entries(cases)) {
      test(name, async () => {
        await using pair = await open();
        await run(pair);
      });
    }
  }
}
