/** Scripts of operations for a model and an engine, which must give the same step by step. */
import * as fc from "fast-check";

import { BanyanError } from "../../src/base/errors.ts";
import type { Cursor, Engine, EngineEvent } from "../../src/engine/engine.ts";
import { EventReader, showEvent } from "../../src/testing/engine-suite-kit.ts";
import { formatPath } from "../../src/wire/path-text.ts";
import type { Path, PathElement } from "../../src/wire/path.ts";
import type { Tree } from "../../src/tree/tree.ts";

type Elements = readonly PathElement[];

interface Options {
  /** Whether to ask for the entry's present revision, that of another, or none. */
  readonly check: "none" | "right" | "wrong";
  readonly condition: { readonly path: Elements; readonly right: boolean } | undefined;
  readonly operation: string | undefined;
}

export type Step =
  | {
      readonly type: "put" | "delete";
      readonly path: Elements;
      readonly value: Uint8Array;
      readonly options: Options;
    }
  | {
      readonly type: "list";
      readonly path: Elements;
      readonly after: Elements | undefined;
      readonly minDepth: number;
      readonly maxDepth: number;
    }
  | { readonly type: "children" | "get" | "walk" | "delete-below"; readonly path: Elements }
  /** Watches behind a cursor that lies so many revisions back. */
  | { readonly type: "resume"; readonly path: Elements; readonly back: number }
  /** What happens to the engine and must not show. The model knows none. */
  | { readonly type: "fault" };

/** What a script is run against. */
export interface Subject {
  readonly tree: Pick<Tree, "engine" | "delete" | "walk">;
  /** A `Path` of the engine's own package. */
  readonly path: (elements: Elements) => Path;
  /** Breaks something; what is returned by then has to go on. */
  readonly fault?: () => Promise<void> | void;
}

/** A hub may have to be started first. */
const PATIENCE_MS = 30_000;

const elements: fc.Arbitrary<PathElement> = fc.oneof(
  fc.constantFrom<PathElement>("a", "b", "", "a\0", 1, -1, 0.5, true, null),
  fc.constant(new Uint8Array([0, 255])),
  fc.string({ unit: "grapheme", maxLength: 3 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
// Few, so that steps meet.
const commonPaths = fc.constantFrom<Elements>(
  [],
  ["a"],
  ["a", 1],
  ["a", 1, "x"],
  ["b"],
  ["b", null],
);
const anyPath: fc.Arbitrary<Elements> = fc.oneof(
  { weight: 4, arbitrary: commonPaths },
  { weight: 1, arbitrary: fc.array(elements, { maxLength: 3 }) },
);
const options: fc.Arbitrary<Options> = fc.record({
  check: fc.constantFrom("none", "none", "right", "wrong"),
  condition: fc.option(fc.record({ path: anyPath, right: fc.boolean() }), { nil: undefined }),
  operation: fc.option(fc.constantFrom("op-1", "op-2", "op-3"), { nil: undefined }),
});

export const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constantFrom("put", "put", "delete"),
      path: anyPath,
      value: fc.uint8Array({ maxLength: 20 }),
      options,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("list" as const),
      path: anyPath,
      after: fc.option(anyPath, { nil: undefined }),
      minDepth: fc.nat(2),
      maxDepth: fc.nat(3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom("children", "get", "walk", "delete-below"),
      path: anyPath,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("resume" as const), path: anyPath, back: fc.nat(8) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("fault" as const) }) },
);

/** What a step gives, as plain data without times. */
export async function outcome(subject: Subject, step: Step): Promise<unknown> {
  try {
    return await run(subject, step);
  } catch (error) {
    if (BanyanError.is(error)) return { code: error.code, details: error.details };
    throw error;
  }
}

async function run(subject: Subject, step: Step): Promise<unknown> {
  if (step.type === "fault") {
    await subject.fault?.();
    return undefined;
  }
  if ("options" in step) {
    const written = await write(subject, step);
    return { revision: written.revision, previous: plain(written.previous) };
  }
  const { tree, path } = subject;
  switch (step.type) {
    case "get":
      return plain(await tree.engine.get(path(step.path)));
    case "children":
      return (await tree.engine.children(path(step.path)).toArray()).map(({ name, entry }) => [
        name,
        plain(entry),
      ]);
    case "list":
      return list(subject, step);
    case "walk":
      // The scripts' values are no values of a tree: what is said of that must be the same, too.
      return (await tree.walk(step.path).toArray()).map((entry) => [
        entry.path,
        entry.revision,
        entry.error?.code,
      ]);
    case "delete-below":
      return (await tree.delete(step.path, { recursive: true })).deleted;
    case "resume":
    default:
      return resume(subject, path(step.path), step.back);
  }
}

async function list(
  { tree, path }: Subject,
  step: Extract<Step, { type: "list" }>,
): Promise<unknown> {
  const { minDepth, maxDepth } = step;
  const after = step.after && path(step.after);
  const entries = tree.engine.list(path(step.path), { after, minDepth, maxDepth });
  return (await entries.toArray()).map(plain);
}

/** Everything a watch tells that goes on some revisions back, up to where it has caught up. */
async function resume({ tree }: Subject, where: Path, back: number): Promise<string[]> {
  const { engine } = tree;
  const revision = Math.max(0, (await lastRevision(engine, where)) - back);
  const after: Cursor = { store: engine.store, revision };
  const reader = new EventReader(engine.watch(where, { after }), PATIENCE_MS);
  const events = await reader.until(({ type }) => type === "live");
  await reader.stop();
  return changesOf(events);
}

/** Of the store. */
async function lastRevision(engine: Engine, where: Path): Promise<number> {
  const reader = new EventReader(engine.watch(where), PATIENCE_MS);
  const events = await reader.until(({ type }) => type === "ready");
  await reader.stop();
  const ready = events.at(-1);
  return ready?.type === "ready" ? ready.revision : 0;
}

/** What was told, without the marks of lost and regained contact. */
function changesOf(events: readonly EngineEvent[]): string[] {
  return events.filter(({ type }) => type !== "stale" && type !== "live").map(showEvent);
}

async function write(
  { tree, path }: Subject,
  step: Extract<Step, { type: "put" | "delete" }>,
): ReturnType<Engine["put"]> {
  const { check, condition, operation } = step.options;
  const { engine } = tree;
  const revisionOf = async (where: Elements): Promise<number> =>
    (await engine.get(path(where)))?.revision ?? 0;
  const current = await revisionOf(step.path);
  const asked = {
    operation,
    ifRevision: check === "none" ? undefined : check === "right" ? current : current + 1,
    condition: condition && {
      path: path(condition.path),
      revision: (await revisionOf(condition.path)) + (condition.right ? 0 : 1),
    },
  };
  const where = path(step.path);
  return step.type === "put" ? engine.put(where, step.value, asked) : engine.delete(where, asked);
}

function plain(
  entry: { path: Path; value: Uint8Array; revision: number; author: string } | undefined,
): unknown {
  return entry && [formatPath(entry.path), ...entry.value, entry.revision, entry.author];
}

const END = "end";

/** Writes what `untilEnd` waits for. */
export async function putEnd({ tree, path }: Subject): Promise<void> {
  await tree.engine.put(path([END]), new Uint8Array());
}

/** Everything a watch of the root tells up to the end of the script. */
export async function untilEnd(reader: EventReader): Promise<string[]> {
  return changesOf(
    await reader.until((event) => event.type === "put" && event.entry.path[0] === END),
  );
}
