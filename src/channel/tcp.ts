import { createServer, Socket } from "node:net";

import type { Channel, Listener } from "./channel.ts";
import {
  bindServer,
  formatHostAndPort,
  type NetworkListenOptions,
  parseHostAndPort,
  serverListener,
  untilOpen,
} from "./network.ts";
import type { SharedDialOptions } from "./outlet.ts";
import { socketChannel } from "./socket-channel.ts";
import type { StreamChannel } from "./stream.ts";

const SCHEME = "tcp";

/**
 * Dials `tcp://host:port`. What is sent can be read and changed on the way: `dialTls` is for networks
 * that others use too.
 *
 * @throws ChannelError `CHANNEL_REFUSED` where nobody accepts
 */
export async function dialTcp(
  address: string,
  { signal, limits, outlet }: SharedDialOptions,
): Promise<StreamChannel> {
  signal.throwIfAborted();
  const where = parseHostAndPort(address, SCHEME);
  const socket = outlet?.createSocket() ?? new Socket({ allowHalfOpen: true });
  socket.connect(where);
  await untilOpen(socket, "connect", { address, signal });
  outlet?.opened(socket);
  return socketChannel(socket, address, limits, outlet);
}

/**
 * Listens on `tcp://host:port`; no host is 127.0.0.1, port 0 is any free one, and the listener's
 * address says which. Whoever can reach it may connect, every user of this machine included: a unix
 * socket is only for one's own.
 *
 * @throws ChannelError `CHANNEL_REFUSED` where the port is taken, or other machines could reach it and
 *   `public` is not set
 */
export async function listenTcp(
  address: string,
  onChannel: (channel: Channel) => void,
  options: NetworkListenOptions = {},
): Promise<Listener> {
  const where = parseHostAndPort(address, SCHEME);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    onChannel(socketChannel(socket, bound, options.limits));
  });
  const bound = formatHostAndPort(SCHEME, await bindServer(server, address, where, options));
  return serverListener(server, bound);
}
