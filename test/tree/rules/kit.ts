import { RulesHere } from "../../../src/code/rules/rules-here.ts";
import { BanyanError } from "../../../src/base/errors.ts";
import { MemoryEngine } from "../../../src/engine/memory.ts";
import { RuledEngine } from "../../../src/tree/rules/ruled-engine.ts";
import { Tree } from "../../../src/tree/tree.ts";

/** A tree in memory whose rules are applied here, and others that share its store. */
export class RuledTree implements AsyncDisposable {
  readonly tree: Tree;
  readonly engine: RuledEngine;
  /** What the rules do not guard. */
  readonly beneath: MemoryEngine;

  private constructor(engine: RuledEngine, beneath: MemoryEngine) {
    this.engine = engine;
    this.beneath = beneath;
    this.tree = Tree.over(engine, { author: "ann" });
  }

  static async open(): Promise<RuledTree> {
    const beneath = new MemoryEngine();
    const engine = await RuledEngine.open(beneath, new RulesHere({ limitMs: 200 }));
    return new RuledTree(engine, beneath);
  }

  /** The tree as a client of that set of conversions has it. */
  client(set: string): Tree {
    return Tree.over(this.engine.withCodecs(set), { ownsEngine: false, author: set });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tree.close();
  }
}

/** The error of ours that it fails with. */
export async function refusal(work: Promise<unknown>): Promise<BanyanError> {
  try {
    await work;
  } catch (error) {
    if (BanyanError.is(error)) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

/** DistKV's integer, and its percentage below it. */
export const INT = {
  code: 'if (!Number.isInteger(value)) throw new Error("not an int")',
  good: [0, 1, 2],
  bad: ["dud", 1.5],
};
export const PERCENT = {
  code: 'if (value < 0 || value > 100) throw new Error("not a percentage")',
  good: [0, 55, 100],
  bad: [-1, 555],
};

/** DistKV's codec of integers that a client has as text. */
export const INT_CODEC = {
  decode:
    'if (typeof value !== "string") throw new TypeError("not a string"); return parseInt(value)',
  encode: "return String(value)",
  in: [
    ["1", 1],
    ["2", 2],
  ] as const,
  out: [
    [1, "1"],
    [-3, "-3"],
  ] as const,
};
