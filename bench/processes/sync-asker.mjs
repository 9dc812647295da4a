// The thread that asks its parent, for `sync-caller.mjs`.
import { parentPort, workerData } from "node:worker_threads";

import { connectSync } from "banyan/remote";

import { syncRate } from "../lib/measure.mjs";
import { getRate } from "../lib/sync.mjs";

const MEASURE = { atomics, thread, "thread-proxies": thread };

function atomics() {
  const { words } = workerData;
  let sent = 0;
  const call = (what) => {
    Atomics.store(words, 0, what);
    Atomics.notify(words, 0);
    while (Atomics.load(words, 8) !== what) Atomics.wait(words, 8, Atomics.load(words, 8));
  };
  return () => {
    sent = 0;
    Atomics.store(words, 8, 0);
    const result = syncRate(() => call(++sent));
    call(-1);
    return result;
  };
}

function thread() {
  const session = connectSync(workerData.port);
  let thing;
  return () => getRate((thing ??= session.remote("thing")));
}

const measure = MEASURE[workerData.kind]();
parentPort.on("message", () => parentPort.postMessage(measure()));
parentPort.postMessage("ready");
