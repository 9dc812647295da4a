/**
 * `banyan/remote` as browsers have it: no listening, and dialling by WebSocket alone. Nothing in here
 * or behind it needs Node.
 */
import { NodeError } from "./base/errors.ts";
import { checkSessionOptions, SESSION_OPTIONS } from "./remote/check-options.ts";
import { openSession, type Session, type SessionOptions } from "./remote/session.ts";
import { dialWebSocket } from "./channel/websocket-browser.ts";

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
  within,
} from "./remote/helpers.ts";
export type { PlainMode } from "./remote/codec.ts";
export type { CallLimit } from "./remote/deadlines.ts";
export { originalOf } from "./remote/errors.ts";
export { evaluate, type EvaluateOptions } from "./remote/evaluate.ts";
export { eventual } from "./remote/eventual.ts";
export { map } from "./remote/map.ts";
export type { Authenticate, Stranger } from "./remote/opening.ts";
export type { Policy } from "./remote/policy.ts";
export type { SessionLimits } from "./remote/protocol.ts";
export { expose, type Exposure } from "./remote/expose.ts";
export { restricted } from "./remote/restricted.ts";
export { openSession, type Session, type SessionOptions } from "./remote/session.ts";
export type { SessionStats } from "./remote/stats.ts";
export type { Trace, TraceEvent } from "./remote/trace.ts";
export type { Received, Remote, RemoteResult } from "./remote/types.ts";
export { type MethodSchemas, type StandardSchema, validated } from "./remote/validated.ts";
export { valueClass, type ValueClass } from "./remote/value-classes.ts";
export type { Channel, Listener } from "./channel/channel.ts";
export type { HeartbeatOptions } from "./remote/heartbeat.ts";
export { portChannel, type PortChannelOptions } from "./channel/port.ts";

const DEFAULT_DIAL_MS = 10_000;

/**
 * Opens a session with whoever listens at `url`, as `wss://box.example/objects`. Gives up after 10
 * seconds, or when `options.signal` does.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; as `openSession`; NodeError `NODE_BAD_URL`
 */
export async function connect(url: string, options: SessionOptions = {}): Promise<Session> {
  checkSessionOptions(options, SESSION_OPTIONS, "connect");
  if (!/^wss?:/.test(url)) {
    throw new NodeError(
      "NODE_BAD_URL",
      `can't reach ${JSON.stringify(url)}: pages use ws: or wss:`,
    );
  }
  const signal = options.signal ?? AbortSignal.timeout(DEFAULT_DIAL_MS);
  const maxMessageBytes = options.limits?.maxMessageBytes;
  const limits = maxMessageBytes === undefined ? undefined : { maxMessageBytes };
  const channel = await dialWebSocket(url, { signal, limits });
  return await openSession(channel, { ...options, signal });
}
