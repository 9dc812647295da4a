import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect, type Server as NetServer, type Socket } from "node:net";
import { TLSSocket } from "node:tls";

import { abortable } from "../base/abort.ts";
import { deferred } from "../base/deferred.ts";
import type { Channel, DialOptions, Listener, ListenOptions } from "./channel.ts";
import {
  bindServer,
  formatHostAndPort,
  type HostAndPort,
  type NetworkListenOptions,
  refused,
  serverListener,
  untilOpen,
} from "./network.ts";
import { isAllowedOrigin } from "./origin.ts";
import {
  connectTls,
  hasTrustedCertificate,
  type TlsIdentity,
  tlsSettings,
} from "./tls-identity.ts";
import { webSocketChannel, webSocketSettings } from "./websocket-node.ts";

const PORTS: ReadonlyMap<string, number> = new Map([
  ["ws:", 80],
  ["wss:", 443],
]);

/** For labels only. */
let lastNumber = 0;

export interface WebSocketDialOptions extends DialOptions {
  /** For `wss://`: whom to trust. */
  readonly tls?: TlsIdentity | undefined;
  /** Further fields of the request, as `authorization`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * Dials `ws://` or `wss://`. What is sent over `ws://` can be read and changed on the way.
 *
 * @throws ChannelError `CHANNEL_REFUSED` where nobody accepts, or the certificate is another's
 */
export async function dialWebSocket(
  address: string,
  { signal, limits, tls = {}, headers = {} }: WebSocketDialOptions,
): Promise<Channel> {
  signal.throwIfAborted();
  const { isSecure, where } = parseAddress(address);
  const { WebSocket } = await import("ws");
  const context = { address, signal };
  // The connection first: the request is for nobody but the server that is meant.
  const connection = isSecure ? await connectTls(where, tls, context) : connect(where);
  if (!isSecure) await untilOpen(connection, "connect", context);
  const socket = new WebSocket(address, {
    ...webSocketSettings(limits),
    createConnection: () => connection,
    headers,
  });
  const opened = deferred<Channel>();
  // Within the event, or what comes right behind it is lost.
  socket.once("open", () => {
    const label = `${address}#${++lastNumber}`;
    opened.resolve(webSocketChannel(socket, connection, { label, limits }));
  });
  socket.on("error", (error) => {
    opened.reject(refused(`no WebSocket is accepted at ${address}: ${error.message}`, error));
  });
  try {
    return await abortable(opened.promise, signal);
  } catch (error) {
    socket.terminate();
    connection.destroy();
    throw error;
  }
}

interface UpgradeOptions extends ListenOptions {
  /**
   * The pages that may connect, as `https://example.org`. Where nothing is said: those of this very
   * server, if it is asked by an address or as `localhost`. Whatever is no browser may always.
   */
  readonly origins?: readonly string[] | undefined;
}

export interface WebSocketAttachOptions extends UpgradeOptions {
  /** Default `/`. */
  readonly path?: string | undefined;
}

export interface WebSocketListenOptions extends NetworkListenOptions, UpgradeOptions {
  /** For `wss://`: who this is, and which certificates it asks for. */
  readonly tls?: TlsIdentity | undefined;
}

/**
 * Listens on `ws://host:port/path` or `wss://host:port/path`, with a server of its own.
 *
 * @throws ChannelError `CHANNEL_REFUSED`
 */
export async function listenWebSocket(
  address: string,
  onChannel: (channel: Channel) => void,
  options: WebSocketListenOptions = {},
): Promise<Listener> {
  const { isSecure, where, path } = parseAddress(address);
  const { tls = {} } = options;
  if (isSecure && (tls.key === undefined || tls.cert === undefined)) {
    throw new TypeError("listening with TLS takes a key and a certificate");
  }
  const server = isSecure ? createSecureServer(tlsSettings(tls)) : createServer();
  server.on("request", (_request, response) => void response.writeHead(426).end());
  const isTrusted = ({ socket }: IncomingMessage): boolean =>
    !(socket instanceof TLSSocket) || hasTrustedCertificate(socket, tls);
  await acceptUpgrades(server, onChannel, { ...options, path, isTrusted });
  server.on("upgrade", (request: IncomingMessage, connection: Socket) => {
    if (pathOf(request) !== path) refuse(connection, "404 Not Found");
  });
  const bound = await bindServer(server, address, where, options);
  return serverListener(server, formatHostAndPort(isSecure ? "wss" : "ws", bound) + path);
}

/**
 * Accepts channels at a path of a server that somebody else listens with. Closing leaves the server as
 * it was.
 */
export async function attachWebSocket(
  server: Server,
  onChannel: (channel: Channel) => void,
  options: WebSocketAttachOptions = {},
): Promise<Listener> {
  const { path = "/" } = options;
  const detach = await acceptUpgrades(server, onChannel, { ...options, path });
  return serverListener({ close: detach }, path);
}

async function acceptUpgrades(
  server: NetServer,
  onChannel: (channel: Channel) => void,
  options: UpgradeOptions & {
    readonly path: string;
    readonly isTrusted?: (request: IncomingMessage) => boolean;
  },
): Promise<() => void> {
  const { path, limits, origins, isTrusted = () => true } = options;
  const { WebSocketServer } = await import("ws");
  const upgrader = new WebSocketServer({ ...webSocketSettings(limits), noServer: true });
  const onUpgrade = (request: IncomingMessage, connection: Socket, head: Buffer): void => {
    // Somebody else may answer there.
    if (pathOf(request) !== path) return;
    if (!isTrusted(request) || !isAllowedOrigin(request.headers, origins)) {
      refuse(connection, "403 Forbidden");
      return;
    }
    upgrader.handleUpgrade(request, connection, head, (socket) => {
      socket.on("error", () => {});
      const label = `${path}#${++lastNumber}`;
      onChannel(webSocketChannel(socket, connection, { label, limits }));
    });
  };
  server.on("upgrade", onUpgrade);
  return () => void server.off("upgrade", onUpgrade);
}

function pathOf({ url = "/" }: IncomingMessage): string {
  return url.replace(/[?#].*$/s, "");
}

function refuse(connection: Socket, status: string): void {
  connection.on("error", () => {});
  connection.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
}

function parseAddress(address: string): {
  readonly isSecure: boolean;
  readonly where: HostAndPort;
  readonly path: string;
} {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const standard = PORTS.get(url?.protocol ?? "");
  if (url === undefined || standard === undefined) {
    const form = "ws://host:port/path";
    throw new TypeError(`not an address of the form ${form}: ${JSON.stringify(address)}`);
  }
  return {
    isSecure: url.protocol === "wss:",
    where: {
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: url.port === "" ? standard : Number(url.port),
    },
    path: url.pathname,
  };
}
