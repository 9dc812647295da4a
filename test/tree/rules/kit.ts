import { RulesHere } from "../../rules-here.ts";
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
