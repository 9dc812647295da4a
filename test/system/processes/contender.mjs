/**
 * Eight clients in one process that contend for registers: `contender.mjs DIRECTORY NAME HISTORY`. Each
 * operation has a line in HISTORY before it is asked for and one when it is answered: what has only the
 * first may have happened. Ends in order with SIGTERM.
 */
import { openSync, writeSync } from "node:fs";

import { BanyanError, openEngine, parsePath } from "../../../dist/index.js";

const CLIENTS = 8;
const COUNTERS = 6;

const [directory, name, file] = process.argv.slice(2);
const history = openSync(file, "a");
const engine = await openEngine(directory);
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
let operations = 0;

const note = (line) => writeSync(history, `${JSON.stringify(line)}\n`);
const now = () => Number(process.hrtime.bigint() / 1_000n);
const text = (entry) => (entry === undefined ? undefined : new TextDecoder().decode(entry.value));

/** Runs one operation, and notes what it was and what came of it. */
async function operate(operation, run) {
  const id = `${name}/${++operations}`;
  note({ id, called: now(), ...operation });
  const answer = await run();
  if (answer !== undefined) note({ id, returned: now(), ...answer });
  return answer;
}

async function read(key) {
  let entry;
  await operate({ key, type: "read" }, async () => {
    entry = await engine.get(parsePath(key));
    return { value: text(entry) };
  });
  return entry;
}

/** Undefined where it is not known whether it was done. */
async function write(operation, options) {
  const bytes = new TextEncoder().encode(operation.value);
  return operate(operation, async () => {
    try {
      const { revision } = await engine.put(parsePath(operation.key), bytes, options);
      return { done: true, revision };
    } catch (error) {
      if (BanyanError.has(error, "ENGINE_CONFLICT")) return { done: false };
      if (BanyanError.has(error, "ENGINE_AMBIGUOUS")) return undefined;
      throw error;
    }
  });
}

async function client(number) {
  for (let i = 0; !stop.signal.aborted; i++) {
    const value = `${name}.${number}.${i}`;
    const key = `counter:${(number + i) % COUNTERS}`;
    const durability = i % 10 === 0 ? "flushed" : "commit";
    const entry = await read(key);
    const from = text(entry);
    const count = Number(from?.split(" ")[0] ?? 0) + 1;
    const swap = { key, type: "swap", from, value: `${count} ${value}` };
    await write(swap, { ifRevision: entry?.revision ?? 0, durability });
    if (i % 5 === 0) await write({ key: `register:${number % 4}`, type: "write", value });
    if (i % 5 === 2) await read(`register:${number % 4}`);
  }
}

await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
await engine.close();
