/** Brings the hub of a tree back that listens on the network: `keep.js DIRECTORY`. */
import { systemClock } from "../base/clock.ts";
import { fileLog } from "../node/file-log.ts";
import { keepHub } from "../node/keep-hub.ts";
import { stopController } from "./stop.ts";

const [directory = "."] = process.argv.slice(2);
const { signal } = stopController();
const log = fileLog(process.stderr);
try {
  await keepHub({ directory, clock: systemClock, log, signal });
} catch (error) {
  if (!signal.aborted) log.error(`the hub is kept no more: ${String(error)}`);
}
process.exit();
