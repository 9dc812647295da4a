/** Writes are answered before LMDB has committed them; here hubs are killed under many that are under way. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { open } from "banyan";
import { expect, test, vi } from "vitest";

import { hubPid, ROOT, temporaryFolder } from "./kit.ts";

const WRITERS = 64;
const KILLS = 6;

test.each(["commit", "flushed"] as const)(
  "what was answered (%s) under 64 writes at a time is there behind every kill of the hub, and watches hear of it once",
  async (durability) => {
    using folder = temporaryFolder();
    await using tree = await open(folder.path, { create: true });
    await using other = await open(folder.path);
    const heard: number[][] = Array.from({ length: WRITERS }, () => []);
    const watch = (async () => {
      for await (const event of other.watch("w")) {
        if (event.type === "reset") throw new Error("the watch began anew");
        if (event.type !== "put") continue;
        const [writer, count] = event.entry.value as [number, number];
        heard[writer]?.push(count);
      }
    })();
    const answered = Array.from({ length: WRITERS }, () => 0);
    const enough = new EventTarget();
    let left = 0;
    /** Resolves when so many more were answered; others are then on their way, in whatever state of that. */
    const answers = async (count: number): Promise<void> => {
      left = count;
      await once(enough, "answers");
    };
    const over = new AbortController();
    const write = async (writer: number): Promise<void> => {
      for (let count = 1; !over.signal.aborted; count++) {
        await tree.set(`w.${writer}`, [writer, count], { durability });
        answered[writer] = count;
        if (--left === 0) enough.dispatchEvent(new Event("answers"));
      }
    };
    const writers = answered.map((_, writer) => write(writer));
    for (let kill = 0; kill < KILLS; kill++) {
      await answers(1 + Math.floor(Math.random() * 1_500));
      const before = [...answered];
      const pid = hubPid(folder.path);
      process.kill(pid as number, "SIGKILL");
      for (const [writer, count] of before.entries()) {
        const value = (await tree.get(`w.${writer}`)) as [number, number] | undefined;
        expect(value?.[1] ?? 0).toBeGreaterThanOrEqual(count);
      }
      await vi.waitFor(() => expect(hubPid(folder.path)).not.toBe(pid), 20_000);
    }
    over.abort();
    await Promise.all(writers);
    const expected = answered.map((count) => Array.from({ length: count }, (_, i) => i + 1));
    await vi.waitFor(() => expect(heard.map((each) => each.length)).toEqual(answered), 20_000);
    expect(heard).toEqual(expected);
    await other.close();
    await watch;
  },
);

const writes = (folder: string): string => `
  import { parentPort } from "node:worker_threads";
  import { open } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
  const tree = await open(${JSON.stringify(folder)}, { create: true, exclusive: true });
  await tree.set("ready", true, { durability: "flushed" });
  for (let i = 1; i <= 50; i++) await tree.set("count", i);
`;

test.each([
  ["comes to its end", (script: string) => `await import(${script});`],
  ["ends itself", (script: string) => `await import(${script}); process.exit();`],
  [
    "ends a thread that writes",
    (script: string) => `
      import { Worker } from "node:worker_threads";
      const worker = new Worker(${script}, { execArgv: [] });
      worker.on("message", () => worker.terminate());
    `,
  ],
])(
  "a program that %s without a close has ended then, and what it wrote is there",
  async (_how, program) => {
    using folder = temporaryFolder();
    const script = join(folder.path, "writes.mjs");
    const stays = `if (parentPort !== null) { parentPort.postMessage(1); setInterval(() => {}, 1000); }`;
    writeFileSync(script, writes(folder.path) + stays);
    const argv = ["--input-type=module", "-e", program(JSON.stringify(script))];
    const { status, stderr } = spawnSync(process.execPath, argv, {
      encoding: "utf8",
      timeout: 30_000,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    await using tree = await open(folder.path);
    expect(await tree.get("count")).toBe(50);
  },
);
