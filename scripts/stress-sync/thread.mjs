// The driver's thread.
import { workerData } from "node:worker_threads";

import { connectSync } from "../../dist/remote.js";
import { createApi, stateIn } from "./api.mjs";

const { folder, port, name } = workerData;
const note = stateIn(folder, name);
const others = () => {
  throw new Error("a thread is in no circle");
};
connectSync(port, { exports: { api: createApi({ note, others }) }, name });
// A thread that offers things has to stay.
setInterval(() => {}, 1_000_000);
