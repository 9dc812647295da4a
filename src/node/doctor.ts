import { execFile } from "node:child_process";
import { type Stats, constants, existsSync } from "node:fs";
import { access, readdir, readFile, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { hasSafePoint } from "../engine/safe-point.ts";
import { STORE_FORMATS } from "../engine/lmdb-file.ts";
import { isCertainlyGone, isStopped } from "../runner/process-identity.ts";
import { sharesMemory } from "./direct.ts";
import type { StoreReport } from "./examine-store.ts";
import { type HubRecord, readHubRecord } from "./hub-record.ts";
import { readJoined } from "./joined.ts";
import { LockFile } from "./lock-file.ts";
import { hubAddress, placesOf, type TreePlaces } from "./tree-folder.ts";

/** One thing that was looked at. */
export interface Finding {
  readonly check: string;
  /** A "warning" mends itself, or costs something; a "problem" wants somebody. */
  readonly state: "ok" | "warning" | "problem";
  readonly says: string;
}

const EXAMINE_MS = 120_000;
const LOW_BYTES = 256 * 1024 * 1024;
const run = promisify(execFile);

/**
 * Looks at everything that the folder of a tree consists of, and changes nothing; the hub may be running.
 * The order of the findings is that in which to mend things.
 */
export async function examineTree(directory: string): Promise<Finding[]> {
  const places = placesOf(directory);
  if (existsSync(places.joined)) return [...(await folder(places)), await joinedTree(places)];
  const record = await readHubRecord(places.hubRecord);
  return [
    ...(await folder(places)),
    ...(await disk(places)),
    ...(await hub(places, record)),
    ...(await locks(places)),
    ...(await leftovers(places, record)),
    ...(await store(places, record)),
  ];
}

async function joinedTree(places: TreePlaces): Promise<Finding> {
  try {
    const { url = "", user = "" } = (await readJoined(places)) ?? {};
    const there = url.split("#", 1)[0] ?? url;
    return ok(
      "joined",
      `the tree is at ${there}, and this machine ${user} in it; examine it there`,
    );
  } catch (error) {
    return problem("joined", (error as Error).message);
  }
}

async function folder(places: TreePlaces): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const path of [
    dirname(places.store),
    places.joined,
    places.store,
    join(places.store, "data.mdb"),
  ]) {
    const stats = await stat(path).catch(() => undefined);
    if (stats === undefined) continue;
    const why = notPrivate(stats) ?? (await notWritable(path));
    if (why !== undefined) found.push(problem("permissions", `${path} ${why}`));
  }
  if (found.length === 0) found.push(ok("permissions", "the folder is private to this user"));
  return found;
}

function notPrivate({ uid, mode }: Stats): string | undefined {
  const own = process.getuid?.();
  if (own !== undefined && uid !== own)
    return `belongs to user ${uid}, not to you (${own}): chown it`;
  if (process.platform === "win32" || (mode & 0o077) === 0) return undefined;
  return `is open to others (mode ${(mode & 0o777).toString(8)}): chmod go= it`;
}

/** A tree's folder is written to also by who only reads the tree. */
async function notWritable(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EROFS") return "is on a file system that is mounted read-only";
    return `can't be read and written (${code}): chmod u+rwX it`;
  }
}

async function disk(places: TreePlaces): Promise<Finding[]> {
  const at = dirname(places.store);
  const { bavail, bsize, type } = await statfs(at);
  const free = bavail * bsize;
  const says = `${megabytes(free)} are free`;
  const room =
    free < LOW_BYTES ? problem("disk", `only ${says}: writes will be refused`) : ok("disk", says);
  if (process.platform !== "linux" || sharesMemory(type)) return [room];
  const slow =
    "the file system may not share memory between processes: all reads go through the hub";
  return [room, warning("file system", slow)];
}

async function hub(places: TreePlaces, record: HubRecord | undefined): Promise<Finding[]> {
  if (record === undefined) return [ok("hub", "none runs; whoever opens the tree starts one")];
  const { pid, socket, version } = record;
  if (isCertainlyGone(record)) {
    return [
      warning("hub", `process ${pid} is gone without a word; the next client starts another`),
    ];
  }
  if (isStopped(record)) {
    return [
      problem("hub", `process ${pid} is stopped; the next client replaces it, or kill -CONT it`),
    ];
  }
  const missing = await stat(socket.replace(/^unix:/, "")).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
  if (missing === "EACCES") {
    return [warning("hub", `process ${pid} runs for another user, who alone can reach it`)];
  }
  if (missing !== undefined) {
    return [
      problem(
        "hub",
        `process ${pid} runs, but its socket ${socket} is gone: end it, another starts`,
      ),
    ];
  }
  return [ok("hub", `process ${pid}, version ${version}, listens at ${socket}`)];
}

async function locks(places: TreePlaces): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const path of [places.hubLock, places.startLock, places.devLock, places.keepLock]) {
    if (!existsSync(path)) continue;
    const name = basename(path);
    const holder = await LockFile.holder(path);
    if (holder === undefined)
      found.push(warning("locks", `${name}: its holder is gone; whoever needs it breaks it`));
    else found.push(ok("locks", `${name}: process ${holder.pid} holds it (${holder.role})`));
  }
  return found.length > 0 ? found : [ok("locks", "nobody holds any")];
}

async function leftovers(places: TreePlaces, record: HubRecord | undefined): Promise<Finding[]> {
  const at = dirname(places.store);
  const drafts = (await readdir(at)).filter((name) =>
    /^(hub\.json|.*\.lock|store)\.[A-Za-z0-9_-]{8,}$/u.test(name),
  );
  const found = drafts.map((name) =>
    warning("leftovers", `${join(at, name)} was left half-written: remove it`),
  );
  const address = hubAddress(places.directory, "").replace(/^unix:/, "");
  const sockets = await readdir(dirname(address)).catch(() => []);
  for (const name of sockets) {
    const path = join(dirname(address), name);
    if (!name.startsWith(basename(address)) || record?.socket === `unix:${path}`) continue;
    found.push(warning("leftovers", `${path} is a socket that nobody listens at: remove it`));
  }
  return found.length > 0 ? found : [ok("leftovers", "none")];
}

async function store(places: TreePlaces, record: HubRecord | undefined): Promise<Finding[]> {
  const data = await stat(join(places.store, "data.mdb")).catch(() => undefined);
  if (data === undefined || data.size === 0) return [await withoutData(places)];
  const format = await readFile(join(places.store, "format"), "utf8").catch(() => "");
  const number = /^banyan store (\d+)\n$/u.exec(format)?.[1];
  if (number === undefined || !STORE_FORMATS.includes(Number(number))) {
    const says =
      number === undefined ? "its format file says nothing known" : `it has format ${number}`;
    return [problem("store", `${places.store}: ${says}; use the version that wrote it`)];
  }
  const told = record === undefined ? [] : [String(record.pid), record.socket];
  const script = fileURLToPath(new URL("../entry/examine.js", import.meta.url));
  try {
    const { stdout } = await run(process.execPath, [script, places.store, ...told], {
      timeout: EXAMINE_MS,
    });
    return reported(JSON.parse(stdout) as StoreReport, data.size);
  } catch (error) {
    const { signal, stderr } = error as { signal?: string | null; stderr?: string };
    const why =
      signal ??
      stderr
        ?.trim()
        .split("\n")
        .find((line) => line.includes("Error")) ??
      String(error);
    return [problem("store", `it can't be read (${why}): load a snapshot into a new directory`)];
  }
}

async function withoutData(places: TreePlaces): Promise<Finding> {
  const wasWritten = await hasSafePoint(places.store).catch(() => false);
  if (!wasWritten) return ok("store", "nothing was written yet");
  const says = "its data file is empty or gone, and there was something in it";
  return problem("store", `${says}; load a snapshot into a new directory`);
}

function reported(report: StoreReport, size: number): Finding[] {
  const { entries, expected, revision, isBehind, unreadable, stuckReaders, orphans } = report;
  const found = [ok("store", `${entries} entries at revision ${revision}, ${megabytes(size)}`)];
  if (expected !== undefined) {
    const says = `${entries} entries can be found of ${expected}: it is damaged`;
    found[0] = problem("store", `${says}; load a snapshot into a new directory`);
  }
  if (isBehind) {
    const says = `changes behind revision ${revision} are in the journal, where the next hub finds them`;
    found.push(ok("journal", says));
  }
  if (unreadable.length > 0) {
    const says = "values that this version can't read, of a newer one or damaged";
    found.push(problem("values", `${says}: ${unreadable.join(", ")}`));
  }
  for (const pid of stuckReaders) {
    const says = "is in the middle of a read and does not go on: the store grows with every write";
    found.push(problem("readers", `process ${pid} ${says}; end it`));
  }
  for (const { job, node } of orphans) {
    const says = `${job} is said to run on ${node}, which is gone`;
    found.push(warning("runs", `${says}; a node of its group takes it over, or starts it anew`));
  }
  if (stuckReaders.length === 0) found.push(ok("readers", "none is stuck"));
  if (orphans.length === 0) found.push(ok("runs", "none is orphaned"));
  return found;
}

function ok(check: string, says: string): Finding {
  return { check, state: "ok", says };
}

function warning(check: string, says: string): Finding {
  return { check, state: "warning", says };
}

function problem(check: string, says: string): Finding {
  return { check, state: "problem", says };
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
