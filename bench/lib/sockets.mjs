// Bare sockets by address: `unix:PATH`, `tcp:PORT`; `tcp:` alone is any free port of this machine.
import { connect } from "node:net";
import { once } from "node:events";

const UNIX = "unix:";
const HOST = "127.0.0.1";

/** Resolves with the address that others connect to. */
export async function listenAt(server, address) {
  server.listen(address.startsWith(UNIX) ? { path: pathOf(address) } : { port: 0, host: HOST });
  await once(server, "listening");
  return address.startsWith(UNIX) ? address : `tcp:${server.address().port}`;
}

/** Resolves with a connected socket. */
export async function connectTo(address) {
  const port = Number(address.slice("tcp:".length));
  const socket = connect(
    address.startsWith(UNIX) ? { path: pathOf(address) } : { port, host: HOST },
  );
  await once(socket, "connect");
  return socket;
}

const pathOf = (address) => address.slice(UNIX.length);
