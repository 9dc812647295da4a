/** Objects that live on one side of a session and are used from the other: `banyan/remote`. */
import { NodeError } from "./base/errors.ts";
import { kindOf } from "./base/kind-of.ts";
import type { Channel, Dial, Listen, Listener, ListenOptions } from "./channel/channel.ts";
import { checkSessionOptions, SESSION_OPTIONS } from "./remote/check-options.ts";
import { openSession, type Session, type SessionOptions } from "./remote/session.ts";

export { BanyanError, RemoteError, WireError } from "./base/errors.ts";
export { byRef, byValue } from "./remote/by-value.ts";
export {
  entries,
  has,
  instanceOf,
  invoke,
  isRemote,
  keys,
  release,
  remove,
  set,
  snapshot,
} from "./remote/helpers.ts";
export type { PlainMode } from "./remote/codec.ts";
export { evaluate, type EvaluateOptions } from "./remote/evaluate.ts";
export { eventual } from "./remote/eventual.ts";
export type { Authenticate, Stranger } from "./remote/opening.ts";
export type { Policy } from "./remote/policy.ts";
export type { SessionLimits } from "./remote/protocol.ts";
export { restricted } from "./remote/restricted.ts";
export { openSession, type Session, type SessionOptions } from "./remote/session.ts";
export type { SessionStats } from "./remote/stats.ts";
export type { Trace, TraceEvent } from "./remote/trace.ts";
export type { Received, Remote, RemoteResult } from "./remote/types.ts";
export { valueClass, type ValueClass } from "./remote/value-classes.ts";
export type { Channel, Listener } from "./channel/channel.ts";

interface Transport {
  readonly dial: Dial;
  readonly listen: Listen;
}

// Loaded when they are used: a browser has none of what they need.
const TRANSPORTS: ReadonlyMap<string, Transport> = new Map([
  [
    "unix",
    {
      dial: async (...args) => (await import("./channel/unix.ts")).dialUnix(...args),
      listen: async (...args) => (await import("./channel/unix.ts")).listenUnix(...args),
    },
  ],
]);

const DEFAULT_DIAL_MS = 10_000;

/**
 * Opens a session with whoever listens at `url`, as `unix:/run/box.sock`. Gives up after 10 seconds,
 * or when `options.signal` does.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; as `openSession`; NodeError `NODE_BAD_URL`
 */
export async function connect(url: string, options: SessionOptions = {}): Promise<Session> {
  checkSessionOptions(options, SESSION_OPTIONS, "connect");
  const { dial } = transportOf(url);
  const signal = options.signal ?? AbortSignal.timeout(DEFAULT_DIAL_MS);
  const channel = await dial(url, { signal, ...channelLimits(options) });
  return await openSession(channel, { ...options, signal });
}

export interface ListenSessionOptions extends SessionOptions {
  /** Gets each session that was opened; what peers may use is in `exports`. */
  readonly onSession?: ((session: Session) => void) | undefined;
}

const LISTEN_OPTIONS = { ...SESSION_OPTIONS, onSession: true } as const;

/**
 * Offers objects at `url` to whoever connects. Closing ends the sessions too, in order; peers whose
 * hello is not done are cut off. Set `onSession` to know them; `signal` is not used.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; NodeError `NODE_BAD_URL`
 */
export async function listen(url: string, options: ListenSessionOptions): Promise<Listener> {
  checkSessionOptions(options, LISTEN_OPTIONS, "listen");
  const { onSession, ...sessionOptions } = options;
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
  const limits = channelLimits(options);
  const listener = await transportOf(url).listen(url, (channel) => void accept(channel), limits);
  const close = async (): Promise<void> => {
    closing.abort();
    await listener.close();
    await Promise.all(Array.from(sessions, (session) => session.close()));
  };
  return { address: listener.address, close, [Symbol.asyncDispose]: close };
}

function transportOf(url: string): Transport {
  if (typeof url !== "string") throw new TypeError(`an address is a string, not ${kindOf(url)}`);
  const scheme = url.slice(0, Math.max(0, url.indexOf(":")));
  const transport = TRANSPORTS.get(scheme);
  if (transport === undefined) {
    const known = [...TRANSPORTS.keys()].map((name) => `${name}:`).join(", ");
    throw new NodeError("NODE_BAD_URL", `can't reach ${JSON.stringify(url)}: use one of ${known}`);
  }
  return transport;
}

/** The channel's limit goes with the session's. */
function channelLimits({ limits }: SessionOptions): ListenOptions {
  const maxMessageBytes = limits?.maxMessageBytes;
  return maxMessageBytes === undefined ? {} : { limits: { maxMessageBytes } };
}
