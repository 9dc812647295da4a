// Serves capnweb's objects: `capnweb-server.mjs ws: | tcp:`; tells its parent where.
import { createServer } from "node:net";
import { once } from "node:events";

import { newWebSocketRpcSession } from "capnweb";
import { WebSocketServer } from "ws";

import { CapnwebBench, capnwebOverSocket, WEB_SOCKET_OPTIONS } from "../lib/capnweb.mjs";
import { listenAt } from "../lib/sockets.mjs";

if (process.argv[2] === "ws:") {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", ...WEB_SOCKET_OPTIONS });
  server.on("connection", (socket) => newWebSocketRpcSession(socket, new CapnwebBench()));
  await once(server, "listening");
  process.send(`ws:${server.address().port}`);
} else {
  const server = createServer((socket) => capnwebOverSocket(socket, new CapnwebBench()));
  process.send(await listenAt(server, "tcp:"));
}
