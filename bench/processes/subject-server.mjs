// Serves the subject's objects on a unix socket: `subject-server.mjs SOCKET`.
import { listen } from "banyan/remote";

import { subjectExports } from "../lib/subject.mjs";

const [path] = process.argv.slice(2);
let onSession;
const session = new Promise((resolve) => {
  onSession = resolve;
});
const exports = subjectExports(session);
await listen(`unix:${path}`, { exports, plain: "copy", policy: "capability", onSession });
process.send("ready");
