/**
 * The process that reads a store for `banyan doctor`: `examine.js DIRECTORY [HUB_PID HUB_SOCKET]`. A damaged store may end the
 * process that maps it, so it is this one. Prints a `StoreReport` as JSON.
 */
import { examineStore } from "../node/examine-store.ts";

// Its own pauses would not keep the process alive.
const alive = setInterval(() => {}, 1_000);
const [, , directory = ".", pid, socket] = process.argv;
const hub = socket === undefined ? undefined : { pid: Number(pid), socket };
const report = await examineStore(directory, hub);
clearInterval(alive);
process.stdout.write(JSON.stringify(report));
