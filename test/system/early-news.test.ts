/** Who watches hears of a lone write before LMDB has committed it; here the hub is killed at that very moment. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { open } from "banyan";
import { expect, test } from "vitest";

import { ROOT, temporaryFolder } from "./kit.ts";

const KILLS = 8;
/** Between two kills. */
const WRITES = 20;

/** Watches "c", kills the hub whenever it has heard of so many writes, and says what it has heard when it is asked. */
const watcher = (folder: string): string => `
  import { readFileSync } from "node:fs";
  import { open } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
  const tree = await open(${JSON.stringify(folder)});
  const heard = [];
  for await (const event of tree.watch("c")) {
    if (event.type === "ready") process.send("ready");
    if (event.type === "reset") heard.push("reset");
    if (event.type !== "put") continue;
    const { revision, value } = event.entry;
    heard.push([revision, value]);
    if (heard.length % ${WRITES} === 0 && heard.length <= ${KILLS * WRITES}) {
      const { pid } = JSON.parse(readFileSync(${JSON.stringify(join(folder, ".banyan/hub.json"))}, "utf8"));
      process.kill(pid, "SIGKILL");
    }
    if (value === ${(KILLS + 1) * WRITES}) process.send(heard);
  }
`;

test("what a watch was told of is there after the hub was killed in that moment", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  const script = join(folder.path, "watcher.mjs");
  writeFileSync(script, watcher(folder.path));
  const child = fork(script);
  try {
    expect((await once(child, "message"))[0]).toBe("ready");
    const message = once(child, "message");
    const written: [number, number][] = [];
    for (let i = 1; i <= (KILLS + 1) * WRITES; i++) {
      const { revision } = await tree.set("c", i);
      written.push([revision, i]);
    }
    // Each of them once, in order, and nothing that was taken back or began anew.
    expect((await message)[0]).toEqual(written);
  } finally {
    child.kill();
  }
});
