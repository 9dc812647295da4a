// The calling side: `caller.mjs KIND [ADDRESS [CA]]`. Runs the workload that its parent names, and answers
// with operations a second.
import { Worker } from "node:worker_threads";

import { connect, openSession, portChannel } from "banyan/remote";

import { subjectApi } from "../lib/banyan.mjs";
import { CALLS, warmUp } from "../lib/calls.mjs";
import { Floor, floorApi, floorCallbacks, PortFloor } from "../lib/floor.mjs";
import { answer } from "../lib/measure.mjs";
import { connectTo } from "../lib/sockets.mjs";

const [kind, address, ca] = process.argv.slice(2);

const OPEN = {
  floor: async () => {
    const { functions, methods } = floorCallbacks();
    return floorApi(Floor.onSocket(await connectTo(address), methods), functions);
  },
  banyan: async () => {
    const tls = ca === undefined ? {} : { tls: { ca } };
    return subjectApi(await connect(address, { plain: "copy", ...tls }));
  },
  // What others need is loaded for them only.
  capnweb: async () => {
    const { capnwebApi, capnwebOverSocket, capnwebOverWebSocket } =
      await import("../lib/capnweb.mjs");
    if (address.startsWith("ws:")) return capnwebApi(capnwebOverWebSocket(address.slice(3)));
    return capnwebApi(capnwebOverSocket(await connectTo(address)).getRemoteMain());
  },
  "floor-thread": () => floorThread(true),
  "floor-thread-single": () => floorThread(false),
  "banyan-thread": async () => {
    const channel = portChannel(thread("banyan"));
    return subjectApi(await openSession(channel, { plain: "copy" }));
  },
  "comlink-thread": async () => {
    const { comlinkApi } = await import("../lib/comlink.mjs");
    return comlinkApi(thread("comlink"));
  },
};

function floorThread(batched) {
  const { functions, methods } = floorCallbacks();
  const worker = thread("floor", { workerData: { batched } });
  return floorApi(new PortFloor(worker, methods, { batched }).open(), functions);
}

function thread(name, options) {
  return new Worker(new URL(`${name}-thread.mjs`, import.meta.url), options);
}

const api = await OPEN[kind]();
await warmUp(api);
answer((name) => CALLS[name](api));
