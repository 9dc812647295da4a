/** Objects that live on one side of a session and are used from the other: `banyan/remote`. */
import type { Server } from "node:http";

import { NodeError } from "./base/errors.ts";
import { kindOf } from "./base/kind-of.ts";
import type { Channel, DialOptions, Listener, ListenOptions } from "./channel/channel.ts";
import type { TlsIdentity } from "./channel/tls-identity.ts";
import { checkSessionOptions, SESSION_OPTIONS } from "./remote/check-options.ts";
import { openSession, type Session, type SessionOptions } from "./remote/session.ts";

export * from "./remote-browser.ts";
export * from "./remote-sync.ts";
export type { TlsIdentity } from "./channel/tls-identity.ts";

/** What the ways to reach a peer take, each what it needs. */
interface NetworkOptions {
  readonly tls?: TlsIdentity | undefined;
}

interface ListenNetworkOptions extends NetworkOptions {
  readonly public?: boolean | undefined;
  readonly origins?: readonly string[] | undefined;
  readonly server?: Server | undefined;
}

type OnChannel = (channel: Channel) => void;

interface Transport {
  readonly isSecure?: boolean;
  dial(url: string, options: DialOptions & NetworkOptions): Promise<Channel>;
  listen(
    url: string,
    onChannel: OnChannel,
    options: ListenOptions & ListenNetworkOptions,
  ): Promise<Listener>;
}

// Loaded when they are used: most programs need one of them.
const UNIX: Transport = {
  dial: async (...args) => (await import("./channel/unix.ts")).dialUnix(...args),
  listen: async (...args) => (await import("./channel/unix.ts")).listenUnix(...args),
};
const TCP: Transport = {
  dial: async (...args) => (await import("./channel/tcp.ts")).dialTcp(...args),
  listen: async (...args) => (await import("./channel/tcp.ts")).listenTcp(...args),
};
const TLS: Transport = {
  isSecure: true,
  dial: async (...args) => (await import("./channel/tls.ts")).dialTls(...args),
  listen: async (url, onChannel, { tls = {}, ...options }) =>
    (await import("./channel/tls.ts")).listenTls(url, onChannel, { ...options, tls }),
};
const WEB_SOCKET: Transport = {
  dial: async (...args) => (await import("./channel/websocket.ts")).dialWebSocket(...args),
  listen: async (url, onChannel, { server, ...options }) => {
    const { attachWebSocket, listenWebSocket } = await import("./channel/websocket.ts");
    if (server === undefined) return await listenWebSocket(url, onChannel, options);
    return await attachWebSocket(server, onChannel, { ...options, path: new URL(url).pathname });
  },
};

const TRANSPORTS: ReadonlyMap<string, Transport> = new Map([
  ["unix", UNIX],
  ["tcp", TCP],
  ["tls", TLS],
  ["ws", WEB_SOCKET],
  ["wss", { ...WEB_SOCKET, isSecure: true }],
]);

const DEFAULT_DIAL_MS = 10_000;

export interface ConnectOptions extends SessionOptions {
  /** For `tls:` and `wss:`: whom to trust, and which certificate to show. */
  readonly tls?: TlsIdentity | undefined;
}

const CONNECT_OPTIONS = { ...SESSION_OPTIONS, tls: true } as const;

/**
 * Opens a session with whoever listens at `url`: `unix:/run/box.sock`, `tcp://host:port`,
 * `tls://host:port`, `ws://host:port/path` or `wss://host:port/path`. Gives up after 10 seconds, or
 * when `options.signal` does.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; as `openSession`; NodeError `NODE_BAD_URL`
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Session> {
  checkSessionOptions(options, CONNECT_OPTIONS, "connect");
  const { tls, ...sessionOptions } = options;
  const transport = transportOf(url, tls);
  const signal = options.signal ?? AbortSignal.timeout(DEFAULT_DIAL_MS);
  const channel = await transport.dial(url, { signal, tls, ...channelLimits(options) });
  return await openSession(channel, { ...sessionOptions, signal });
}

export interface ListenSessionOptions extends SessionOptions {
  /** Gets each session that was opened; what peers may use is in `exports`. */
  readonly onSession?: ((session: Session) => void) | undefined;
  /** Allows an address that other machines reach. Whoever does may connect: see `authenticate`. */
  readonly public?: boolean | undefined;
  /** For `tls:` and `wss:`: `key` and `cert`, and which certificates peers have to show. */
  readonly tls?: TlsIdentity | undefined;
  /**
   * For `ws:` and `wss:`: the pages that may connect, as `https://example.org`. Default: those of this
   * very server, if it is asked by an address or as `localhost`.
   */
  readonly origins?: readonly string[] | undefined;
  /** For `ws:` and `wss:`: somebody else's server, to answer at the path of `url` on. */
  readonly server?: Server | undefined;
}

const LISTEN_OPTIONS = {
  ...SESSION_OPTIONS,
  onSession: true,
  public: true,
  tls: true,
  origins: true,
  server: true,
} as const;

/**
 * Offers objects at `url` to whoever connects. Closing ends the sessions too, in order; peers whose
 * hello is not done are cut off. Set `onSession` to know them; `signal` is not used.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; NodeError `NODE_BAD_URL`
 */
export async function listen(url: string, options: ListenSessionOptions): Promise<Listener> {
  checkSessionOptions(options, LISTEN_OPTIONS, "listen");
  const { onSession, public: isPublic, tls, origins, server, ...sessionOptions } = options;
  const sessions = new Set<Session>();
  const closing = new AbortController();
  const accept = async (channel: Channel): Promise<void> => {
    try {
      const session = await openSession(channel, { ...sessionOptions, signal: closing.signal });
      sessions.add(session);
      void session.closed.then(() => sessions.delete(session));
      onSession?.(session);
    } catch (error) {
      if (closing.signal.aborted) return;
      options.log?.warn("a peer was turned away", { peer: channel.label, error });
    }
  };
  const transport = transportOf(url, tls);
  const network = { public: isPublic, tls, origins, server, ...channelLimits(options) };
  const listener = await transport.listen(url, (channel) => void accept(channel), network);
  const close = async (): Promise<void> => {
    closing.abort();
    await listener.close();
    await Promise.all(Array.from(sessions, (session) => session.close()));
  };
  return { address: listener.address, close, [Symbol.asyncDispose]: close };
}

function transportOf(url: string, tls: TlsIdentity | undefined): Transport {
  if (typeof url !== "string") throw new TypeError(`an address is a string, not ${kindOf(url)}`);
  const scheme = url.slice(0, Math.max(0, url.indexOf(":")));
  const transport = TRANSPORTS.get(scheme);
  if (transport === undefined) {
    const known = [...TRANSPORTS.keys()].map((name) => `${name}:`).join(", ");
    throw new NodeError("NODE_BAD_URL", `can't reach ${JSON.stringify(url)}: use one of ${known}`);
  }
  if (tls !== undefined && transport.isSecure !== true) {
    throw new TypeError(`${scheme}: is not encrypted, whatever tls says: use tls: or wss:`);
  }
  return transport;
}

/** The channel's limit goes with the session's. */
function channelLimits({ limits }: SessionOptions): ListenOptions {
  const maxMessageBytes = limits?.maxMessageBytes;
  return maxMessageBytes === undefined ? {} : { limits: { maxMessageBytes } };
}
