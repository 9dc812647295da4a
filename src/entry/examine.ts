/**
 * The process that reads a store for `banyan doctor`: `examine.js DIRECTORY HUB_PID`. A damaged store may end the
 * process that maps it, so it is this one. Prints a `StoreReport` as JSON.
 */
import { examineStore } from "../node/examine-store.ts";

// Its own pauses would not keep the process alive.
const alive = setInterval(() => {}, 1_000);
const report = await examineStore(process.argv[2] ?? ".", Number(process.argv[3]));
clearInterval(alive);
process.stdout.write(JSON.stringify(report));
