/** Remote objects that are used like local ones, by blocking the thread: a part of `banyan/remote`. */
import { MessagePort } from "node:worker_threads";

import type { ChannelLimits, Listener } from "./channel/channel.ts";
import { IoThread } from "./channel/io-thread.ts";
import { threadChannel } from "./channel/thread.ts";
import {
  openSyncSession,
  type SyncSession,
  type SyncSessionOptions,
} from "./remote/sync/session.ts";

export { threadChannel } from "./channel/thread.ts";
export type { BlockingChannel } from "./channel/channel.ts";
export { refuseBlocking } from "./remote/sync/session.ts";
export type { SyncSession, SyncSessionOptions } from "./remote/sync/session.ts";

/** This thread's. */
const io = new IoThread(new URL("./entry/io.js", import.meta.url));

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
 *   `REMOTE_TIMEOUT`, `REMOTE_DENIED`
 */
export function connectSync(
  where: string | MessagePort,
  options: SyncSessionOptions = {},
): SyncSession {
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

/**
 * Offers objects at `url` to whoever connects, and has what they pass as proxies: a callback of theirs
 * is called, and blocks, like a function. Closing takes no more peers; sessions go on.
 *
 * @throws ChannelError `CHANNEL_REFUSED`
 */
export async function listenSync(url: string, options: ListenSyncOptions): Promise<Listener> {
  const { onSession, ...sessionOptions } = options;
  return await io.listen(url, channelLimits(options), (channel) => {
    openSyncSession(channel, sessionOptions, onSession);
  });
}

function channelLimits({ limits }: SyncSessionOptions): Partial<ChannelLimits> {
  const maxMessageBytes = limits?.maxMessageBytes;
  return maxMessageBytes === undefined ? {} : { maxMessageBytes };
}
