import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import { expect, test } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import type { Engine, EngineEvent } from "../../src/engine/engine.ts";
import { openLmdb } from "../../src/engine/lmdb.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { Path, type PathElement } from "../../src/wire/path.ts";
import { EventReader, listed, put, showEvent } from "../../src/testing/engine-suite-kit.ts";

type Step =
  | {
      readonly type: "put" | "delete";
      readonly path: Path;
      readonly value: Uint8Array;
      readonly options: Options;
    }
  | { readonly type: "list"; readonly path: Path; readonly after: Path; readonly maxDepth: number }
  | { readonly type: "children" | "get"; readonly path: Path };

interface Options {
  /** Whether to ask for the entry's present revision, that of another, or none. */
  readonly check: "none" | "right" | "wrong";
  readonly condition: { readonly path: Path; readonly right: boolean } | undefined;
  readonly operation: string | undefined;
}

const elements: fc.Arbitrary<PathElement> = fc.oneof(
  fc.constantFrom<PathElement>(
    "a",
    "b",
    "",
    "a\0",
    1,
    -1,
    0.5,
    true,
    null,
    new Uint8Array([0, 255]),
  ),
  fc.string({ unit: "grapheme", maxLength: 3 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const paths = fc.array(elements, { maxLength: 3 }).map((list) => Path.fromElements(list));
// Few, so that steps meet.
const commonPaths = fc.constantFrom(
  ...[[], ["a"], ["a", 1], ["a", 1, "x"], ["b"], ["b", null]].map((list) =>
    Path.fromElements(list),
  ),
);
const anyPath = fc.oneof({ weight: 4, arbitrary: commonPaths }, { weight: 1, arbitrary: paths });
const options: fc.Arbitrary<Options> = fc.record({
  check: fc.constantFrom("none", "none", "right", "wrong"),
  condition: fc.option(fc.record({ path: anyPath, right: fc.boolean() }), { nil: undefined }),
  operation: fc.option(fc.constantFrom("op-1", "op-2", "op-3"), { nil: undefined }),
});
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    type: fc.constantFrom("put", "put", "delete"),
    path: anyPath,
    value: fc.uint8Array({ maxLength: 20 }),
    options,
  }),
  fc.record({
    type: fc.constant("list" as const),
    path: anyPath,
    after: anyPath,
    maxDepth: fc.nat(3),
  }),
  fc.record({ type: fc.constantFrom("children", "get"), path: anyPath }),
);

test(
  "LMDB does what the model does, step by step, and its watch says so",
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 40 }), async (script) => {
        const folder = await mkdtemp(join(tmpdir(), "banyan-model-"));
        try {
          await using model = new MemoryEngine();
          await using engine = await openLmdb(folder);
          const readers = [model, engine].map((each) => new EventReader(each.watch(Path.root)));
          for (const reader of readers) await reader.show("ready");
          for (const step of script) {
            expect(await outcome(engine, step)).toEqual(await outcome(model, step));
          }
          await Promise.all([put(model, "end", "1"), put(engine, "end", "1")]);
          const [expected, seen] = await Promise.all(readers.map((reader) => untilEnd(reader)));
          expect(seen).toEqual(expected);
          expect(await listed(engine, ":")).toEqual(await listed(model, ":"));
        } finally {
          await rm(folder, { recursive: true });
        }
      }),
      { numRuns: 60 },
    );
  },
);

/** What a step gives, as plain data without times. */
async function outcome(engine: Engine, step: Step): Promise<unknown> {
  try {
    switch (step.type) {
      case "get":
        return plain(await engine.get(step.path));
      case "children":
        return await engine
          .children(step.path)
          .map(({ name, entry }) => [name, plain(entry)])
          .toArray();
      case "list":
        return await listed(engine, ":", { after: step.after, maxDepth: step.maxDepth });
      case "put":
      case "delete": {
        const written = await write(engine, step);
        return { revision: written.revision, previous: plain(written.previous) };
      }
      default:
        return undefined;
    }
  } catch (error) {
    if (BanyanError.is(error)) return { code: error.code, details: error.details };
    throw error;
  }
}

async function write(
  engine: Engine,
  {
    type,
    path,
    value,
    options: { check, condition, operation },
  }: Extract<Step, { type: "put" | "delete" }>,
): ReturnType<Engine["put"]> {
  const revisionOf = async (where: Path): Promise<number> =>
    (await engine.get(where))?.revision ?? 0;
  const current = await revisionOf(path);
  const asked = {
    operation,
    ifRevision: check === "none" ? undefined : check === "right" ? current : current + 1,
    condition: condition && {
      path: condition.path,
      revision: (await revisionOf(condition.path)) + (condition.right ? 0 : 1),
    },
  };
  return type === "put" ? engine.put(path, value, asked) : engine.delete(path, asked);
}

function plain(
  entry: { path: Path; value: Uint8Array; revision: number; author: string } | undefined,
): unknown {
  return entry && [...entry.path, ...entry.value, entry.revision, entry.author];
}

function isEnd(event: EngineEvent): boolean {
  return event.type === "put" && event.entry.path[0] === "end";
}

async function untilEnd(reader: EventReader): Promise<string[]> {
  return (await reader.until(isEnd)).map(showEvent);
}
