// A thread that serves the subject's objects to its parent.
import { parentPort } from "node:worker_threads";

import { openSession, portChannel } from "banyan/remote";

import { subjectExports } from "../lib/banyan.mjs";

let onSession;
const session = new Promise((resolve) => {
  onSession = resolve;
});
const exports = subjectExports(session);
onSession(
  await openSession(portChannel(parentPort), { exports, plain: "copy", policy: "capability" }),
);
