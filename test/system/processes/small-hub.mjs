/** A hub's parts with limits of a test's own: `small-hub.mjs STORE SOCKET HISTORY MAX_VALUE_BYTES`. */
import { listenUnix } from "../../../build/channel/unix.js";
import { serveEngine } from "../../../build/engine/hub-server.js";
import { openLmdb } from "../../../build/engine/lmdb.js";
import { openSessionWith } from "../../../build/remote/session.js";
import { ownProcess } from "../../../build/runner/process-identity.js";

const [store, socket, history, maxValueBytes] = process.argv.slice(2);
const engine = await openLmdb(store, {
  ...(history === "" ? {} : { history: Number(history) }),
  ...(maxValueBytes === "" ? {} : { limits: { maxValueBytes: Number(maxValueBytes) } }),
});
const info = { ...ownProcess(), socket, epoch: "test", version: "0.0.0" };
const log = { debug() {}, info() {}, warn() {}, error() {} };
async function serve(channel) {
  const serving = serveEngine(engine, info, log);
  const options = { exports: serving.exports, plain: "copy" };
  const session = await openSessionWith(channel, options, serving.begin);
  await session.closed;
  serving.end();
}

await listenUnix(socket, (channel) => void serve(channel));
process.stdout.write("ready\n");
