/** What `banyan doctor` finds in folders that something was done to. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { open } from "banyan";
import { expect, test } from "vitest";

import { banyan, hubPid, ROOT, temporaryFolder } from "./kit.ts";

// How LMDB lays out a page.
const PAGE = 4096;
const HEADER = 24;
const FLAGS_AT = 18;
const LOWER_AT = 20;
const LEAF = 2;

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly says: string;
}

/** The same data file, whose pages with this text have one entry each: lmdb reads on, and says nothing. */
function emptied(data: Buffer, text: string): Buffer {
  const changed = Buffer.from(data);
  for (let page = 2 * PAGE; page < data.length; page += PAGE) {
    const isLeaf = (data.readUInt16LE(page + FLAGS_AT) & LEAF) !== 0;
    if (!isLeaf || !data.subarray(page, page + PAGE).includes(text)) continue;
    changed.writeUInt16LE(HEADER + 2, page + LOWER_AT);
  }
  return changed;
}

async function doctor(
  folder: string,
): Promise<{ code: number | null; bad: Finding[]; all: Finding[] }> {
  const { code, stdout } = await banyan(["-o", "json", "doctor", folder]);
  const all = JSON.parse(stdout) as Finding[];
  return { code, all, bad: all.filter(({ state }) => state !== "ok") };
}

test("doctor finds nothing wrong with a tree in use, and says what is there", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set("a", 1);
  const { code, bad, all } = await doctor(folder.path);
  expect(bad).toEqual([]);
  expect(code).toBe(0);
  expect(all.find(({ check }) => check === "store")?.says).toMatch(/^1 entries at revision 1/);
  expect(all.find(({ check }) => check === "hub")?.says).toContain(String(hubPid(folder.path)));
  expect((await banyan(["doctor", join(folder.path, "nowhere")])).code).toBe(3);
});

test("doctor says what only the journal of an owner that was killed has", async () => {
  using folder = temporaryFolder();
  const program = `
    import { open } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
    const tree = await open(${JSON.stringify(folder.path)}, { create: true, exclusive: true });
    await tree.set("a", 1, { durability: "flushed" });
    await tree.set("b", 2);
    process.kill(process.pid, "SIGKILL");
  `;
  spawnSync(process.execPath, ["--input-type=module", "-e", program], { stdio: "inherit" });
  const { all } = await doctor(folder.path);
  expect(all.find(({ check }) => check === "store")?.says).toMatch(/^1 entries at revision 1/);
  expect(all.find(({ check }) => check === "journal")?.says).toContain("behind revision 1 are");
  await using tree = await open(folder.path);
  expect(await tree.get("b")).toBe(2);
});

test("doctor names dead hubs and locks, stuck readers, orphaned runs and what is open to others", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set(":.banyan.state.-.work", { stopped: null, node: "lost", started: 1 });
  const pid = hubPid(folder.path) as number;
  process.kill(pid, "SIGKILL");
  await tree.set("again", 1);
  const at = (name: string): string => join(folder.path, ".banyan", name);
  writeFileSync(
    at("dev.lock"),
    JSON.stringify({ pid: 2 ** 22 + 1, start: 1, host: "", role: "dev" }),
  );
  writeFileSync(at("hub.json.abcdefghij"), "{");
  chmodSync(at("store/data.mdb"), 0o644);
  const source = `import { open } from "lmdb";
    const root = open({ path: ${JSON.stringify(at("store"))}, readOnly: true, noSubdir: false, maxDbs: 16 });
    const reading = root.useReadTransaction();
    [...root.getKeys({ transaction: reading })];
    console.log("holds");
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", source], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(holder.stdout, "data");
    const { code, bad } = await doctor(folder.path);
    expect(code).toBe(1);
    const says = (check: string): string =>
      bad.find((finding) => finding.check === check)?.says ?? "";
    expect(says("permissions")).toContain("mode 644");
    expect(says("leftovers")).toContain("hub.json.abcdefghij");
    expect(says("readers")).toContain(`process ${holder.pid}`);
    expect(says("runs")).toContain("work is said to run on lost");
  } finally {
    holder.kill("SIGKILL");
  }
});

test("doctor says of a store that is damaged, or of a newer version, that it can't be read", async () => {
  using folder = temporaryFolder();
  {
    await using tree = await open(folder.path, { create: true });
    const many = Array.from({ length: 300 }, (_, i) => tree.set(["a", i], `needle ${i}`));
    await Promise.all(many);
    await tree.set("b", 1, { durability: "flushed" });
  }
  process.kill(hubPid(folder.path) as number, "SIGKILL");
  const data = join(folder.path, ".banyan/store/data.mdb");
  writeFileSync(data, emptied(readFileSync(data), "needle"));
  const lossy = await doctor(folder.path);
  expect(lossy.bad.find(({ check }) => check === "store")?.says).toMatch(
    /^\d+ entries can be found of 3\d\d: it is damaged/,
  );
  writeFileSync(join(folder.path, ".banyan/store/format"), "banyan store 99\n");
  const newer = await doctor(folder.path);
  expect(newer.bad.find(({ check }) => check === "store")?.says).toContain("format 99");
  writeFileSync(join(folder.path, ".banyan/store/format"), "banyan store 2\n");
  writeFileSync(data, Buffer.alloc(8192, 7));
  const damaged = await doctor(folder.path);
  expect(damaged.code).toBe(1);
  expect(damaged.bad.find(({ check }) => check === "store")?.says).toContain("can't be read");
  writeFileSync(data, "");
  const empty = await doctor(folder.path);
  expect(empty.bad.find(({ check }) => check === "store")?.says).toContain("empty or gone");
});
