/** Stores that are this process's own, which applies the rules on data itself. Few processes have one. */
import { RulesHere } from "../code/rules/rules-here.ts";
import type { Durability, Engine } from "../engine/engine.ts";
import { MemoryEngine } from "../engine/memory.ts";
import { RuledEngine } from "../tree/rules/ruled-engine.ts";
import { openExclusive } from "./exclusive.ts";

export interface OwnStoreOptions {
  readonly durability?: Durability | undefined;
  /** The set of conversions through which values are read and written. */
  readonly codecs?: string | undefined;
}

/** One that lives and dies with this process. */
export function openMemory(options: OwnStoreOptions): Promise<Engine> {
  return ruledHere(new MemoryEngine(), options);
}

/**
 * The one in a directory.
 *
 * @throws NodeError `NODE_TREE_IN_USE` while a hub or another program has it
 */
export async function openAlone(directory: string, options: OwnStoreOptions): Promise<Engine> {
  const { durability } = options;
  return ruledHere(await openExclusive(directory, { durability }), options);
}

async function ruledHere(engine: Engine, { codecs }: OwnStoreOptions): Promise<Engine> {
  try {
    const ruled = await RuledEngine.open(engine, new RulesHere());
    return codecs === undefined ? ruled : ruled.withCodecs(codecs);
  } catch (error) {
    await engine.close();
    throw error;
  }
}
