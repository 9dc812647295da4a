// A thread that serves the subject's objects to its parent.
import { parentPort } from "node:worker_threads";

import { openSession } from "banyan/remote";

// Threads have no public `connect` yet.
import { portChannel } from "../../dist/channel/port.js";
import { subjectExports } from "../lib/subject.mjs";

let onSession;
const session = new Promise((resolve) => {
  onSession = resolve;
});
const exports = subjectExports(session);
onSession(
  await openSession(portChannel(parentPort), { exports, plain: "copy", policy: "capability" }),
);
