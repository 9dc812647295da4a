// Serves the subject's objects: `banyan-server.mjs URL [IDENTITY]`, where IDENTITY is JSON with a `key` and
// a `cert` for tls:; tells its parent where.
import { listen } from "banyan/remote";

import { subjectExports } from "../lib/banyan.mjs";

const [url, identity] = process.argv.slice(2);
let onSession;
const session = new Promise((resolve) => {
  onSession = resolve;
});
const listener = await listen(url, {
  exports: subjectExports(session),
  plain: "copy",
  policy: "capability",
  onSession,
  ...(identity === undefined ? {} : { tls: JSON.parse(identity) }),
});
process.send(listener.address);
