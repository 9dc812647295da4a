/** What a pool's worker thread runs: stored code that was compiled elsewhere, and that may block. */
import { systemClock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { threadChannel } from "../channel/thread.ts";
import { Linker } from "../code/link.ts";
import { OpenShipments } from "../code/open-shipments.ts";
import { presentError } from "../code/present-error.ts";
import type { Shipment } from "../code/unit.ts";
import { isCall, runCall } from "../code/worker-calls.ts";
import { servePool } from "../executor/pool-server.ts";
import { runBlocking } from "../runner/kit/blocking/run-blocking.ts";

/** How long a module's own top level may take. */
const LOAD_TIMEOUT_MS = 10_000;

const write = (message: string): void => void process.stderr.write(`${message}\n`);
const log: Log = { debug: () => {}, info: write, warn: write, error: write };

/** By the place from which packages are resolved. */
const linkers = new Map<string, Linker>();

const shipments = new OpenShipments((shipment: Shipment) => {
  const { resolveFrom } = shipment;
  let linker = linkers.get(resolveFrom);
  if (linker === undefined) {
    linker = new Linker({ resolveFrom, loadTimeoutMs: LOAD_TIMEOUT_MS, clock: systemClock, log });
    linkers.set(resolveFrom, linker);
  }
  return linker.open(shipment);
});
const open = (shipment: Shipment) => shipments.open(shipment);
const call = runCall(open);
const job = runBlocking(open);

/** What the pool calls for each run. */
export const execute = servePool({
  channel: (port) => threadChannel(port, { label: "pool" }),
  run: (context) => (isCall(context.values) ? call(context) : job(context)),
  present: presentError,
});
