/** What a lane's worker thread runs: stored code that was compiled elsewhere. */
import { parentPort, workerData } from "node:worker_threads";

import { systemClock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { portChannel } from "../channel/port.ts";
import { Linker } from "../code/link.ts";
import { presentError } from "../code/present-error.ts";
import type { ThreadBoot } from "../executor/thread-protocol.ts";
import { refuseBlocking } from "../remote/sync/session.ts";
import { serveThread } from "../executor/thread-server.ts";
import { runStored } from "../runner/kit/run-stored.ts";

if (parentPort === null) throw new Error("this file is the entry of a worker thread");

/** How long a module's own top level may take. */
const LOAD_TIMEOUT_MS = 10_000;

/** Goes to the log of the lane's owner, who reads the thread's standard streams. */
const log: Log = {
  debug: () => {},
  info: (message) => process.stderr.write(`${message}\n`),
  warn: (message) => process.stderr.write(`${message}\n`),
  error: (message) => process.stderr.write(`${message}\n`),
};

/** By the place from which packages are resolved. */
const linkers = new Map<string, Linker>();

function linkerFor(resolveFrom: string): Linker {
  let linker = linkers.get(resolveFrom);
  if (linker === undefined) {
    linker = new Linker({ resolveFrom, loadTimeoutMs: LOAD_TIMEOUT_MS, clock: systemClock, log });
    linkers.set(resolveFrom, linker);
  }
  return linker;
}

refuseBlocking(
  "jobs share it; store the procedure with is_async: false, and it has a thread that may block",
);

await serveThread({
  channel: portChannel(parentPort, { label: "lane" }),
  boot: workerData as ThreadBoot,
  run: runStored((shipment) => linkerFor(shipment.resolveFrom).open(shipment)),
  present: presentError,
});
