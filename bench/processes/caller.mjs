// The calling side: `caller.mjs KIND [SOCKET]`. Runs the workload that its parent names, and answers with
// operations a second.
import { connect as connectSocket } from "node:net";
import { once } from "node:events";
import { Worker } from "node:worker_threads";

import { connect, openSession } from "banyan/remote";

import { portChannel } from "../../dist/channel/port.js";
import { CALLS, warmUp } from "../lib/calls.mjs";
import { Floor, floorApi, floorCallbacks, PortFloor } from "../lib/floor.mjs";
import { answer } from "../lib/measure.mjs";
import { subjectApi } from "../lib/subject.mjs";

const [kind, socket] = process.argv.slice(2);

const OPEN = {
  "floor-socket": async () => {
    const { functions, methods } = floorCallbacks();
    const connection = connectSocket(socket);
    await once(connection, "connect");
    return floorApi(Floor.onSocket(connection, methods), functions);
  },
  "subject-socket": async () => subjectApi(await connect(`unix:${socket}`, { plain: "copy" })),
  "floor-thread": () => floorThread(true),
  "floor-thread-single": () => floorThread(false),
  "subject-thread": async () => {
    const worker = new Worker(new URL("subject-thread.mjs", import.meta.url));
    return subjectApi(await openSession(portChannel(worker), { plain: "copy" }));
  },
};

function floorThread(batched) {
  const { functions, methods } = floorCallbacks();
  const worker = new Worker(new URL("floor-thread.mjs", import.meta.url), {
    workerData: { batched },
  });
  return floorApi(new PortFloor(worker, methods, { batched }).open(), functions);
}

const api = await OPEN[kind]();
await warmUp(api);
answer((name) => CALLS[name](api));
