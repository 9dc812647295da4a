import { createServer } from "node:tls";

import type { Channel, DialOptions, Listener } from "./channel.ts";
import {
  bindServer,
  formatHostAndPort,
  type NetworkListenOptions,
  parseHostAndPort,
  serverListener,
} from "./network.ts";
import { socketChannel } from "./socket-channel.ts";
import {
  connectTls,
  hasTrustedCertificate,
  type TlsIdentity,
  tlsSettings,
} from "./tls-identity.ts";

const SCHEME = "tls";

/** How long a peer may take over its handshake. */
const HANDSHAKE_MS = 10_000;

export interface TlsDialOptions extends DialOptions {
  /** Whom to trust: the system's authorities where nothing is said. */
  readonly tls?: TlsIdentity | undefined;
}

/**
 * Dials `tls://host:port`. The server's certificate has to be for the host and of an authority that is
 * trusted, or one of those that are named by their fingerprints. A server that wants another
 * certificate of ours closes the channel soon after.
 *
 * @throws ChannelError `CHANNEL_REFUSED` where nobody accepts, or the certificate is another's
 */
export async function dialTls(
  address: string,
  { signal, limits, tls = {} }: TlsDialOptions,
): Promise<Channel> {
  signal.throwIfAborted();
  const where = parseHostAndPort(address, SCHEME);
  const socket = await connectTls(where, tls, { address, signal });
  return socketChannel(socket, address, limits);
}

export interface TlsListenOptions extends NetworkListenOptions {
  /**
   * Who this is: `key` and `cert`. Where `ca` or `fingerprints` are set, whoever dials has to show a
   * certificate that fits.
   */
  readonly tls: TlsIdentity;
}

/**
 * Listens on `tls://host:port`, as `listenTcp` does. Peers that show no certificate which is asked
 * for are cut off before there is a channel. `onChannel` also gets the address that each one comes from.
 *
 * @throws ChannelError `CHANNEL_REFUSED`
 */
export async function listenTls(
  address: string,
  onChannel: (channel: Channel, from: string) => void,
  options: TlsListenOptions,
): Promise<Listener> {
  const where = parseHostAndPort(address, SCHEME);
  const { tls, limits } = options;
  if (tls.key === undefined || tls.cert === undefined) {
    throw new TypeError("listening with TLS takes a key and a certificate");
  }
  const settings = { ...tlsSettings(tls), allowHalfOpen: true, handshakeTimeout: HANDSHAKE_MS };
  const server = createServer(settings, (socket) => {
    const from = socket.remoteAddress;
    // Without one it is gone already.
    if (from === undefined || !hasTrustedCertificate(socket, tls)) socket.destroy();
    else onChannel(socketChannel(socket, bound, limits), from);
  });
  // What a stranger does wrong is no fault of ours.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  const bound = formatHostAndPort(SCHEME, await bindServer(server, address, where, options));
  return serverListener(server, bound);
}
