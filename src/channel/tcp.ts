import { connect, createServer } from "node:net";

import type { Channel, DialOptions, Listener } from "./channel.ts";
import {
  bindServer,
  formatHostAndPort,
  type NetworkListenOptions,
  parseHostAndPort,
  serverListener,
  untilOpen,
} from "./network.ts";
import { socketChannel } from "./socket-channel.ts";

const SCHEME = "tcp";

/**
 * Dials `tcp://host:port`. What is sent can be read and changed on the way: `dialTls` is for networks
 * that others use too.
 *
 * @throws ChannelError `CHANNEL_REFUSED` where nobody accepts
 */
export async function dialTcp(address: string, { signal, limits }: DialOptions): Promise<Channel> {
  signal.throwIfAborted();
  const where = parseHostAndPort(address, SCHEME);
  const socket = connect({ ...where, allowHalfOpen: true });
  await untilOpen(socket, "connect", { address, signal });
  return socketChannel(socket, address, limits);
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
