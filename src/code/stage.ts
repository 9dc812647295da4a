import { BanyanError, type CodeError } from "../base/errors.ts";
import { planGraph, type Plan, type Source } from "./graph.ts";
import type { Generation, Linker } from "./link.ts";
import { parsePath } from "../wire/path-text.ts";
import type { Path } from "../wire/path.ts";
import { type KeyedUnit, splitId, type Unit, unitId } from "./unit.ts";

/** The next state of the code, complete, before anybody sees it. */
export interface Stage {
  readonly sources: ReadonlyMap<string, Source>;
  readonly plan: Plan;
  readonly generation: Generation;
  /** All that is wrong, by id; with `keepLastGood`, also what is wrong with entries still in use. */
  readonly errors: ReadonlyMap<string, CodeError>;
}

export interface StageOptions {
  readonly linker: Linker;
  /** What to evaluate now; nothing where nobody here calls it. */
  readonly wants: (keyed: KeyedUnit) => boolean;
  readonly previous: Generation | undefined;
  /** Takes the place of a broken version; `undefined` where there is none, or it isn't wished. */
  readonly lastGood: (id: string) => Unit | undefined;
}

/** Plans and evaluates `sources` aside. What is live goes on meanwhile. */
export async function prepareStage(
  sources: ReadonlyMap<string, Source>,
  options: StageOptions,
): Promise<Stage> {
  const first = await tryStage(sources, options);
  const patched = new Map(sources);
  for (const [id, error] of first.errors) {
    const good = options.lastGood(id);
    const source = sources.get(id);
    if (source === undefined || good === undefined || good === source.compiled) continue;
    if (error.code !== "CODE_BLOCKED") patched.set(id, { ...source, compiled: good });
  }
  const kept = [...patched].filter(([id, source]) => sources.get(id) !== source);
  if (kept.length === 0) return first;
  const second = await tryStage(patched, { ...options, previous: options.previous });
  first.generation.close();
  const errors = new Map(second.errors);
  for (const [id] of kept) {
    const error = first.errors.get(id);
    if (error !== undefined) errors.set(id, error);
  }
  return { ...second, sources, errors };
}

async function tryStage(
  sources: ReadonlyMap<string, Source>,
  { linker, wants, previous }: StageOptions,
): Promise<Stage> {
  const plan = planGraph(sources);
  const generation = linker.generation(plan.units);
  if (previous !== undefined) generation.adopt(previous);
  const wanted = [...plan.units].filter(([, keyed]) => wants(keyed)).map(([id]) => id);
  await Promise.allSettled(wanted.map((id) => generation.load(id)));
  return { sources, plan, generation, errors: collectErrors(plan, generation) };
}

/** What is wrong with the sources, and with what was evaluated of them so far. */
export function collectErrors(plan: Plan, generation: Generation): ReadonlyMap<string, CodeError> {
  const errors = new Map(plan.errors);
  for (const id of generation.held) {
    const found = generation.peek(id);
    if (BanyanError.is(found)) errors.set(id, found);
  }
  return errors;
}

/** Everything that `id` may import, itself first: also what it imports while it runs. */
export function closureOf(id: string, units: ReadonlyMap<string, KeyedUnit>): KeyedUnit[] {
  const found = new Map<string, KeyedUnit>();
  const todo = [id];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const keyed = units.get(next);
    if (keyed === undefined || found.has(next)) continue;
    found.set(next, keyed);
    for (const module of modulesOf(keyed.unit)) todo.push(unitId("module", module));
  }
  return [...found.values()];
}

/** The stored modules that a unit imports, at once or while it runs, or says it needs. */
export function modulesOf({ imports, later }: Unit): string[] {
  const modules = [...imports.flatMap(({ module }) => module ?? []), ...later];
  return [...new Set(modules)].sort();
}

/** What became different in one switch: its key, or what is wrong with it. */
export interface CodeSwitch {
  readonly procs: readonly Path[];
  readonly modules: readonly Path[];
}

export function changesBetween(before: Stage, next: Stage): CodeSwitch {
  const changed = { proc: [] as Path[], module: [] as Path[] };
  for (const id of new Set([...before.sources.keys(), ...next.sources.keys()])) {
    if (stateOf(before, id) === stateOf(next, id)) continue;
    const [kind, name] = splitId(id);
    changed[kind].push(parsePath(name));
  }
  return { procs: changed.proc, modules: changed.module };
}

function stateOf({ plan, errors }: Stage, id: string): string {
  return `${plan.units.get(id)?.key ?? ""} ${errors.get(id)?.message ?? ""}`;
}
