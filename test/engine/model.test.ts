import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import { expect, test } from "vitest";

import { openLmdb } from "../../src/engine/lmdb.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { EventReader } from "../../src/testing/engine-suite-kit.ts";
import { Tree } from "../../src/tree/tree.ts";
import { Path } from "../../src/wire/path.ts";
import { TestHub } from "./hub-kit.ts";
import { outcome, putEnd, type Step, steps, type Subject, untilEnd } from "./model-kit.ts";

/** Few, so that scripts get below what is kept. */
const HISTORY = 4;

const scripts = fc.array(steps, { minLength: 5, maxLength: 50 });

interface OpenedSubject extends Subject, AsyncDisposable {}

test(
  "LMDB does what the model does, step by step, and its watch says so",
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(scripts, (script) => compare(script, openLmdbSubject)),
      { numRuns: 60 },
    );
  },
);

test(
  "a hub whose connections break does what the model does, step by step, and its watch says so",
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(scripts, (script) => compare(script, openHubSubject)),
      { numRuns: 60 },
    );
  },
);

async function compare(script: readonly Step[], open: () => Promise<OpenedSubject>): Promise<void> {
  await using model = openModel();
  await using subject = await open();
  const both = [model, subject];
  const readers = both.map(({ tree }) => new EventReader(tree.engine.watch(Path.root)));
  for (const reader of readers) await reader.show("ready");
  for (const step of script) {
    expect(await outcome(subject, step)).toEqual(await outcome(model, step));
  }
  await Promise.all(both.map((each) => putEnd(each)));
  const [expected, seen] = await Promise.all(readers.map((reader) => untilEnd(reader)));
  expect(seen).toEqual(expected);
  const everything: Step = { type: "list", path: [], after: undefined, minDepth: 0, maxDepth: 32 };
  expect(await outcome(subject, everything)).toEqual(await outcome(model, everything));
}

function openModel(): OpenedSubject {
  return subjectOf(Tree.over(new MemoryEngine({ history: HISTORY })));
}

async function openLmdbSubject(): Promise<OpenedSubject> {
  const folder = await mkdtemp(join(tmpdir(), "banyan-model-"));
  const tree = Tree.over(await openLmdb(folder, { history: HISTORY }));
  return subjectOf(tree, { end: () => rm(folder, { recursive: true }) });
}

async function openHubSubject(): Promise<OpenedSubject> {
  const folder = await mkdtemp(join(tmpdir(), "banyan-model-"));
  const hub = new TestHub(await openLmdb(folder, { history: HISTORY }));
  return subjectOf(Tree.over(await hub.client()), {
    fault: () => hub.breakAll(),
    end: async () => {
      await hub[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  });
}

function subjectOf(
  tree: Tree,
  { end, ...rest }: Partial<Pick<Subject, "fault">> & { end?: () => Promise<void> } = {},
): OpenedSubject {
  return {
    tree,
    path: (elements) => Path.fromElements(elements),
    ...rest,
    [Symbol.asyncDispose]: async () => {
      await tree.close();
      await end?.();
    },
  };
}
