import { pause } from "../base/pause.ts";
import { systemClock } from "../base/clock.ts";
import type { StoreReader } from "../engine/hub-direct.ts";
import { HUB_EXPORT, type HubService } from "../engine/hub-server.ts";
import { openReader } from "../engine/lmdb-reader.ts";
import { toNodeEntry } from "../runner/node-entry.ts";
import { dialHub } from "./hub-dial.ts";
import { isCertainlyGone } from "../runner/process-identity.ts";
import { entryInPlace, type TreeEntry } from "../tree/entry.ts";
import { SYSTEM, systemPaths } from "../tree/system-paths.ts";
import { formatPath } from "../wire/path-text.ts";
import { Path } from "../wire/path.ts";

/** What a look into a store found. */
export interface StoreReport {
  readonly revision: number;
  /** Whether changes are in the journal that were answered and are not in the store yet. */
  readonly isBehind: boolean;
  readonly entries: number;
  /** How many there should be, where nobody wrote meanwhile and it is another number. */
  readonly expected?: number | undefined;
  /** Entries whose value this version can't read. */
  readonly unreadable: readonly string[];
  /** Processes that are in the middle of a read for as long as this took. */
  readonly stuckReaders: readonly number[];
  /** Runs that are said to go on, of nodes that are gone. */
  readonly orphans: readonly { readonly job: string; readonly node: string }[];
}

/** The hub that may be at work on it. */
export interface ExaminedHub {
  readonly pid: number;
  readonly socket: string;
}

/** No read takes so long. */
const SAMPLE_MS = 1_000;
const MAX_NAMED = 20;

/**
 * Reads all of a store, beside its hub or without one. The hub itself holds on to the last state that is
 * on the disk.
 *
 * @throws what `openReader` does
 */
export async function examineStore(
  directory: string,
  hub: ExaminedHub | undefined,
): Promise<StoreReport> {
  const reader = await openBeside(directory, hub);
  try {
    const before = reader.readers();
    const report = readAll(reader);
    await pause(SAMPLE_MS, { clock: systemClock });
    const after = reader.readers();
    const stuck = before.filter(
      ({ pid, thread, transaction }) =>
        pid !== process.pid &&
        pid !== hub?.pid &&
        transaction !== undefined &&
        after.some((slot) => slot.thread === thread && slot.transaction === transaction),
    );
    return { ...report, stuckReaders: stuck.map(({ pid }) => pid) };
  } finally {
    await reader.close();
  }
}

/** A hub that does not answer is dead, or changes nothing. */
async function openBeside(directory: string, hub: ExaminedHub | undefined): Promise<StoreReader> {
  const session = hub && (await dialHub(hub).catch(() => undefined));
  if (session === undefined) return openReader(directory);
  try {
    const service = session.remote<HubService>(HUB_EXPORT);
    await service.opening();
    const reader = openReader(directory);
    await service.opened();
    return reader;
  } finally {
    await session.close();
  }
}

function readAll(reader: StoreReader): Omit<StoreReport, "stuckReaders"> {
  const system = systemPaths(SYSTEM);
  const states: TreeEntry[] = [];
  const live = new Set<string>();
  const unreadable: string[] = [];
  let entries = 0;
  const { revision } = reader;
  const counted = reader.count();
  for (let after: Path | undefined, more = true; more;) {
    const page = reader.page(Path.root, { after }, entryInPlace);
    for (const entry of page.items) {
      entries++;
      if (entry.error !== undefined && unreadable.length < MAX_NAMED) {
        unreadable.push(formatPath(entry.path));
      }
      if (system.state.contains(entry.path)) states.push(entry);
      if (system.node.contains(entry.path) && isLive(entry.value))
        live.add(String(entry.path.at(-1)));
    }
    after = page.after;
    more = after !== undefined;
  }
  const orphans = states.flatMap(({ path, value }) => {
    const { node, stopped } = (value ?? {}) as { node?: unknown; stopped?: unknown };
    if (stopped !== null || typeof node !== "string" || live.has(node)) return [];
    return [{ job: formatPath(Path.fromElements(path.slice(system.state.length + 1))), node }];
  });
  const isSure = reader.revision === revision && counted !== entries;
  const expected = isSure ? counted : undefined;
  const isBehind = reader.told > reader.revision;
  return {
    revision,
    isBehind,
    entries,
    expected,
    unreadable,
    orphans: orphans.slice(0, MAX_NAMED),
  };
}

function isLive(value: unknown): boolean {
  const node = toNodeEntry(value);
  return node !== undefined && node.ended === undefined && !isCertainlyGone(node);
}
