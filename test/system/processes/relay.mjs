// Joins its pipes with a socket: `relay.mjs SOCKET [READ WRITE]`, the pipes by file descriptor. What it
// carries is none of its business, so that both ends of a channel are in the test.
import { connect, Socket } from "node:net";

const [, , path, read = "0", write = "1"] = process.argv;

// Not `process.stdout`, which can't be closed.
const isOne = read === write;
const input = new Socket({ fd: Number(read), writable: isOne, allowHalfOpen: true });
const output = isOne ? input : new Socket({ fd: Number(write), readable: false });
const far = connect({ path, allowHalfOpen: true });
for (const stream of [input, output, far]) stream.on("error", () => process.exit(0));
input.pipe(far);
far.pipe(output);
far.on("close", () => {
  // What has come from there is still to leave, and may share the socket with what comes in.
  if (output.writableFinished) input.destroy();
  else output.once("finish", () => input.destroy());
});
