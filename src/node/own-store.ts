/**
 * Stores that are this process's own, which applies the rules on data itself. Their code runs in another
 * process, as a hub has it. Few processes have such a store.
 */
import { systemClock } from "../base/clock.ts";
import { type Log, silentLog } from "../base/log.ts";
import type { Durability, Engine } from "../engine/engine.ts";
import { MemoryEngine } from "../engine/memory.ts";
import { RuledEngine } from "../tree/rules/ruled-engine.ts";
import { openExclusive } from "./exclusive.ts";
import { RulesApart } from "./rules-apart.ts";

export interface OwnStoreOptions {
  readonly durability?: Durability | undefined;
  /** The set of conversions through which values are read and written. */
  readonly codecs?: string | undefined;
  readonly log?: Log | undefined;
}

/** One that lives and dies with this process. */
export function openMemory(options: OwnStoreOptions): Promise<Engine> {
  return ruledApart(new MemoryEngine(), options);
}

/**
 * The one in a directory.
 *
 * @throws NodeError `NODE_TREE_IN_USE` while a hub or another program has it
 */
export async function openAlone(directory: string, options: OwnStoreOptions): Promise<Engine> {
  const { durability } = options;
  return ruledApart(await openExclusive(directory, { durability }), options);
}

/** Nothing is started before there is a value to check. */
async function ruledApart(engine: Engine, options: OwnStoreOptions): Promise<Engine> {
  const { codecs, log = silentLog } = options;
  try {
    const runner = new RulesApart({ clock: systemClock, log });
    const ruled = await RuledEngine.open(engine, runner);
    return codecs === undefined ? ruled : ruled.withCodecs(codecs);
  } catch (error) {
    await engine.close();
    throw error;
  }
}
