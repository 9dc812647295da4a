/** What the far side of a gateway runs: bundled to one file, which is sent to where nothing is installed. */
import { parentPort } from "node:worker_threads";

import { stdioChannel } from "../channel/child.ts";
import { portChannel } from "../channel/port.ts";
import { serveFar } from "../gateway/far.ts";
import { FAR_HEARTBEAT } from "../gateway/heartbeat.ts";
import { watchParent } from "../gateway/watchdog.ts";

interface ProcessBoot {
  readonly source: string;
  readonly read: number;
  readonly write: number;
  readonly remote: boolean;
}

/** Called by what is on the command line: see `gateway/boot.ts`. @public */
export function startProcess({ source, read, write, remote }: ProcessBoot): void {
  // Ctrl-C is for the program on the near side, which ends this one.
  process.on("SIGINT", () => {});
  surviveStrays();
  const channel = stdioChannel({ read, write });
  const heartbeat = remote ? FAR_HEARTBEAT : false;
  void serveFar(channel, { source, heartbeat, beforeCode: watchParent }).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`a gateway could not be opened: ${String(error)}\n`);
      process.exit(1);
    },
  );
}

/** The same in a thread. @public */
export function startThread({ source }: Pick<ProcessBoot, "source">): void {
  if (parentPort === null) throw new Error("this runs in a worker thread");
  const channel = portChannel(parentPort, { label: "parent" });
  surviveStrays();
  void serveFar(channel, { source, heartbeat: false, beforeCode: () => {} }).finally(() =>
    process.exit(0),
  );
}

/**
 * One program that leaves an error unhandled must not end the others. Standard error is where its
 * author looks.
 */
function surviveStrays(): void {
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.stderr.write(`${event} in a gateway: ${text}\n`);
    });
  }
}
