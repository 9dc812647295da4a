import { spawn } from "node:child_process";
import { join } from "node:path";

import { LOCK_FILE } from "./lmdb-file.ts";

/** A place in LMDB's table of readers. */
export interface ReaderSlot {
  readonly pid: number;
  /** As LMDB prints it. */
  readonly thread: string;
  /** The commit it looks at, which keeps every page that is newer from being used again; undefined: none now. */
  readonly transaction: number | undefined;
}

/** Who reads the store, but for those who died at it. */
export function liveReaders(root: { readerCheck(): unknown; readerList(): string }): ReaderSlot[] {
  root.readerCheck();
  return parseReaders(root.readerList());
}

/** What `mdb_reader_list` says, a line for each reader behind a headline. */
export function parseReaders(list: string): ReaderSlot[] {
  const slots: ReaderSlot[] = [];
  for (const line of list.split("\n")) {
    const found = /^\s*(\d+)\s+([0-9a-f]+)\s+(\d+|-)\s*$/u.exec(line);
    if (found === null) continue;
    const [, pid, thread = "", transaction = "-"] = found;
    slots.push({
      pid: Number(pid),
      thread,
      transaction: transaction === "-" ? undefined : Number(transaction),
    });
  }
  return slots;
}

/**
 * Takes its place in the table from a reader that does not run and keeps the store from using pages
 * again. What it is in the middle of reading may change under it; it must not believe what it has read
 * when it wakes.
 *
 * Another process does it, because LMDB's lock on its file is one that a process loses when it closes
 * any descriptor of it.
 *
 * @returns whether it was there
 */
export function evictReader(directory: string, slot: ReaderSlot): Promise<boolean> {
  const { pid, thread, transaction } = slot;
  const told = [join(directory, LOCK_FILE), pid, thread, transaction].map(String);
  const child = spawn(process.execPath, ["-e", EVICT, ...told], { stdio: "ignore" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code === 0));
  });
}

/**
 * A slot begins with the transaction, the process and the thread; where the first one is depends on how
 * LMDB was built. A transaction of all ones is none.
 */
const EVICT = `
const { openSync, readFileSync, writeSync } = require("node:fs");
const [path, pid, thread, transaction] = process.argv.slice(1);
const file = openSync(path, "r+");
const table = readFileSync(file);
let found = 1;
for (let at = 128; at + 24 <= table.length; at += 8) {
  if (table.readInt32LE(at + 8) !== Number(pid)) continue;
  if (table.readBigUInt64LE(at) !== BigInt(transaction)) continue;
  if (table.readBigUInt64LE(at + 16) !== BigInt("0x" + thread)) continue;
  writeSync(file, Buffer.alloc(8, 0xff), 0, 8, at);
  found = 0;
}
process.exit(found);
`;
