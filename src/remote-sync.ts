/** Remote objects that are used like local ones, by blocking the thread: a part of `banyan/remote`. */
import { MessagePort } from "node:worker_threads";

import type { ChannelLimits, Listener } from "./channel/channel.ts";
import { IoThread } from "./channel/io-thread.ts";
import { threadChannel } from "./channel/thread.ts";
import {
  checkSyncOptions,
  SYNC_SESSION_OPTIONS,
  type SyncSessionOptions,
} from "./remote/sync/options.ts";
import { openSyncSession, type SyncSession } from "./remote/sync/session.ts";

export { threadChannel } from "./channel/thread.ts";
export type { BlockingChannel } from "./channel/channel.ts";
export { refuseBlocking } from "./remote/sync/session.ts";
export type { SyncSessionOptions } from "./remote/sync/options.ts";
export type { SyncSession } from "./remote/sync/session.ts";

/** This thread's. */
const io = new IoThread();

/**
 * Opens a session whose remote objects are used like local ones: each use blocks this thread until the
 * other side has answered. `where` is `unix:/run/box.sock` or `tcp://host:port`, and then this waits
 * until somebody is there; or a `MessagePort` whose other end another thread has, and then the first
 * use waits for that. Between threads of one process the policy is "trusted" unless told otherwise.
 *
 * The other side may use `connectSync` or `listenSync` as well, or, with stubs, `listen`, or
 * `openSession(threadChannel(port))`.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; RemoteError `REMOTE_VERSION`, `REMOTE_PROTOCOL`,
 *   `REMOTE_TIMEOUT`, `REMOTE_DENIED`; TypeError, RangeError for options that a session does not have
 */
export function connectSync(
  where: string | MessagePort,
  options: SyncSessionOptions = {},
): SyncSession {
  checkSyncOptions(options, SYNC_SESSION_OPTIONS, "connectSync");
  if (where instanceof MessagePort) {
    const channel = threadChannel(where, { limits: channelLimits(options) });
    return openSyncSession(channel, { policy: "trusted", ...options });
  }
  const { channel, failure, opened } = io.dial(where, channelLimits(options));
  const session = openSyncSession(channel, options);
  try {
    // Whoever has said hello is there.
    void session.peerName;
    opened();
    return session;
  } catch (error) {
    throw failure() ?? error;
  }
}

export interface ListenSyncOptions extends SyncSessionOptions {
  /** Gets each session; what peers may use is in `exports`. */
  readonly onSession?: ((session: SyncSession) => void) | undefined;
}

const LISTEN_SYNC_OPTIONS = { ...SYNC_SESSION_OPTIONS, onSession: true } as const;

/**
 * Offers objects at `url` to whoever connects, and has what they pass as proxies: a callback of theirs
 * is called, and blocks, like a function. Closing takes no more peers; sessions go on.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; TypeError, RangeError for options that a session does not have
 */
export async function listenSync(url: string, options: ListenSyncOptions): Promise<Listener> {
  checkSyncOptions(options, LISTEN_SYNC_OPTIONS, "listenSync");
  const { onSession, ...sessionOptions } = options;
  return await io.listen(url, channelLimits(options), (channel) => {
    openSyncSession(channel, sessionOptions, onSession);
  });
}

function channelLimits({ limits }: SyncSessionOptions): Partial<ChannelLimits> {
  const maxMessageBytes = limits?.maxMessageBytes;
  return maxMessageBytes === undefined ? {} : { maxMessageBytes };
}
