// Gets a property so often: `sync-caller.mjs floor ADDRESS | banyan URL | atomics | thread | thread-proxies`. Answers
// each message with operations a second. Those without an address have a thread that asks, and are its parent.
import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";

import { connectSync, openSession, threadChannel } from "banyan/remote";

import { Floor } from "../lib/floor.mjs";
import { answer, rate } from "../lib/measure.mjs";
import { connectTo } from "../lib/sockets.mjs";
import { getRate } from "../lib/sync.mjs";

const [kind, address] = process.argv.slice(2);

const OPEN = {
  floor: async () => {
    const socket = await connectTo(address);
    socket.setNoDelay(true);
    const floor = Floor.onSocket(socket, {});
    return () =>
      rate(async (i) => {
        if ((await floor.call("add", i, 7)) !== i + 7) throw new Error("wrong sum");
      });
  },
  banyan: async () => {
    const session = connectSync(address);
    const thing = session.remote("thing");
    return async () => getRate(thing);
  },
  atomics: async () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    const worker = await asker({ kind, words });
    return () => {
      const result = worker.measure();
      // Serves it as plainly as can be: until it says that it is done.
      for (let seen = 0; ;) {
        while (Atomics.load(words, 0) === seen) Atomics.wait(words, 0, seen);
        seen = Atomics.load(words, 0);
        Atomics.store(words, 8, seen);
        Atomics.notify(words, 8);
        if (seen < 0) break;
      }
      Atomics.store(words, 0, 0);
      return result;
    };
  },
  thread: async () => {
    const { port1, port2 } = new MessageChannel();
    const opening = openSession(threadChannel(port1), { exports: { thing: { x: 1 } } });
    const worker = await asker({ kind, port: port2 }, [port2]);
    await opening;
    return () => worker.measure();
  },
  "thread-proxies": async () => {
    const { port1, port2 } = new MessageChannel();
    const session = connectSync(port1, { exports: { thing: { x: 1 } } });
    const worker = await asker({ kind, port: port2 }, [port2]);
    void session.stats();
    return () => worker.measure();
  },
};

/** Starts the thread that asks. */
async function asker(workerData, transferList = []) {
  const worker = new Worker(new URL("sync-asker.mjs", import.meta.url), {
    workerData,
    transferList,
  });
  await once(worker, "message");
  return {
    measure: async () => {
      worker.postMessage("measure");
      const [result] = await once(worker, "message");
      return result;
    },
  };
}

const measure = await OPEN[kind]();
await measure();
answer(() => measure());
