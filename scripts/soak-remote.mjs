// Wears sessions out, built before: `node scripts/soak-remote.mjs [references] [callbacks]`.
// By default 10 million references are made on the other side and dropped here, and 100,000 callbacks of one
// subscription come. Fails where the memory of either side, or what it holds for the other, keeps growing.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { connect, listen } from "../dist/remote.js";
import { numbersOf } from "./numbers.mjs";

const IN_FLIGHT = 256;
const SAMPLES = 20;
const MAX_GROWTH_MB = 100;
const SETTLE_MS = 200;

class Thing {
  #number;

  constructor(number) {
    this.#number = number;
  }

  get number() {
    return this.#number;
  }
}

// Whatever ends this before its time says so: a soak that was cut off is none that passed.
let isDone = false;
process.on("exit", (code) => {
  if (!isDone && process.send === undefined) say(`soak: ended early, with code ${code}`);
});
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
  process.once(signal, () => {
    say(`soak: ended early by ${signal}`);
    process.exit(1);
  });
}

const megabytes = () => Math.round(process.memoryUsage().rss / 2 ** 20);

if (process.argv[2] === "serve") await serve(process.argv[3]);
else await soak(...numbersOf(process.argv.slice(2), [10_000_000, 100_000]));

async function serve(address) {
  let session;
  const exports = {
    make: (number) => new Thing(number),
    subscribe: async (count, listener) => {
      for (let i = 0; i < count; i++) {
        if ((await listener({ number: i })) !== i) throw new Error(`callback ${i} was lost`);
      }
    },
    look: () => ({ megabytes: megabytes(), exports: session.stats().exports }),
  };
  await listen(address, { exports, plain: "copy", onSession: (opened) => (session = opened) });
  process.on("disconnect", () => process.exit());
  process.send("ready");
}

async function soak(references, callbacks) {
  const folder = mkdtempSync(join(tmpdir(), "banyan-soak-"));
  const address = `unix:${join(folder, "s")}`;
  const child = fork(fileURLToPath(import.meta.url), ["serve", address]);
  await once(child, "message");
  child.once("exit", (code, signal) => {
    if (!isDone) say(`soak: the other side ended with ${signal ?? `code ${code}`}`);
  });
  const session = await connect(address);
  const sides = async () => {
    const far = await session.remote("look")();
    const { imports, exports } = session.stats();
    return { near: megabytes(), far: far.megabytes, imports, exports, farExports: far.exports };
  };
  try {
    const part = Math.ceil(references / SAMPLES);
    const parts = Array.from({ length: SAMPLES }, () => () => makeReferences(session, part));
    await watch("references", part, sides, parts);
    await watch(
      "callbacks",
      Math.ceil(callbacks / SAMPLES),
      sides,
      subscription(session, callbacks),
    );
    await session.close();
    isDone = true;
  } finally {
    child.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Does the parts of some work, with a look at both sides after each. */
async function watch(what, part, sides, parts) {
  const seen = [];
  const start = performance.now();
  for (const work of parts) {
    await work();
    await sleep(SETTLE_MS);
    seen.push(await sides());
    const done = part * seen.length;
    const rate = Math.round((done / (performance.now() - start)) * 1000);
    say(`${what} ${done} (${rate}/s): ${JSON.stringify(seen.at(-1))}`);
  }
  for (const side of ["near", "far"]) {
    const least = Math.min(...seen.slice(1, 5).map((sample) => sample[side]));
    const most = Math.max(...seen.slice(-4).map((sample) => sample[side]));
    const growth = most - least;
    if (growth > MAX_GROWTH_MB) throw new Error(`${what}: ${side} grew by ${growth} MB`);
  }
  say(`${what}: flat`);
}

async function makeReferences(session, count) {
  const make = session.remote("make");
  let next = 0;
  const one = async () => {
    while (next < count) {
      const number = next++;
      const thing = await make(number);
      if (number % 10_000 === 0 && (await thing.number) !== number)
        throw new Error("a wrong thing");
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

/** The parts of one subscription: each waits for so many callbacks more. */
function subscription(session, total) {
  const part = Math.ceil(total / SAMPLES);
  let came = 0;
  let next = deferred();
  let paused = deferred();
  const listener = async ({ number }) => {
    if (number !== came++) throw new Error(`callback ${number} came as number ${came}`);
    if (came % part === 0 || came === total) {
      next.resolve();
      await paused.promise;
    }
    return number;
  };
  const done = session.remote("subscribe")(total, listener);
  return Array.from({ length: Math.ceil(total / part) }, (_, i) => async () => {
    if (i > 0) {
      next = deferred();
      paused.resolve();
      paused = deferred();
    }
    await Promise.race([next.promise, done]);
  });
}

function deferred() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function say(text) {
  process.stdout.write(`${text}\n`);
}
