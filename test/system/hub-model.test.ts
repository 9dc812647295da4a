/** The model-based test against hubs as processes of their own, which are killed on the way. */
import * as fc from "fast-check";
import { open, Path, type Tree } from "banyan";
import { expect, test } from "vitest";

import { EventReader } from "../../src/testing/engine-suite-kit.ts";
import { outcome, putEnd, steps, type Subject, untilEnd } from "../engine/model-kit.ts";
import { hubPid, isAlive, temporaryFolder } from "./kit.ts";

/** Each costs a process. */
const MAX_KILLS = 6;

test(
  "a tree whose hub is killed again and again does what the model does, and its watch says so",
  { timeout: 180_000 },
  async () => {
    const seed = Number(process.env["BANYAN_SEED"] ?? Date.now() % 1_000_000);
    process.stdout.write(`hub model: BANYAN_SEED=${seed}\n`);
    const [script = []] = fc.sample(fc.array(steps, { minLength: 150, maxLength: 150 }), {
      numRuns: 1,
      seed,
    });
    using folder = temporaryFolder();
    let kills = 0;
    const kill = (): void => {
      const pid = hubPid(folder.path);
      if (pid === undefined || !isAlive(pid) || ++kills > MAX_KILLS) return;
      process.kill(pid, "SIGKILL");
    };
    await using model = await open("memory:");
    await using tree = await open(folder.path, { create: true });
    const both: readonly Subject[] = [
      { tree: asSource(model), path },
      { tree: asSource(tree), path, fault: kill },
    ];
    const readers = both.map(
      ({ tree: { engine } }) => new EventReader(engine.watch(Path.root), 60_000),
    );
    for (const reader of readers) await reader.show("ready");
    for (const step of script) {
      const [expected, seen] = await Promise.all(both.map((subject) => outcome(subject, step)));
      expect(seen).toEqual(expected);
    }
    expect(kills).toBeGreaterThan(2);
    await Promise.all(both.map((subject) => putEnd(subject)));
    const [expected, seen] = await Promise.all(readers.map((reader) => untilEnd(reader)));
    expect(seen).toEqual(expected);
  },
);

function path(elements: Parameters<Subject["path"]>[0]): Path {
  return Path.fromElements(elements);
}

/** The built package's trees are those of the source; their classes have other private names. */
function asSource(tree: Tree): Subject["tree"] {
  return tree as unknown as Subject["tree"];
}
