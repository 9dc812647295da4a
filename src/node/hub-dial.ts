import { linkSignals } from "../base/abort.ts";
import { systemClock } from "../base/clock.ts";
import { NodeError } from "../base/errors.ts";
import { dialUnix } from "../channel/unix.ts";
import { openSession, type Session } from "../remote/session.ts";

/** How long a hub that lives may take to say hello. One that is frozen accepts, and says nothing. */
const HELLO_MS = 2_000;

/**
 * A session with the hub that listens at `socket`.
 *
 * @throws ChannelError `CHANNEL_REFUSED` where nobody accepts; RemoteError `REMOTE_TIMEOUT` where it
 *   does not answer; the signal's reason
 */
export async function dialHub(
  { socket }: { readonly socket: string },
  signal?: AbortSignal,
): Promise<Session> {
  using either = linkSignals(signal);
  using _timer = systemClock.after(HELLO_MS, () =>
    either.abort(new NodeError("NODE_HUB_FAILED", "the hub does not accept")),
  );
  const channel = await dialUnix(socket, { signal: either.signal });
  return await openSession(channel, {
    plain: "copy",
    name: `pid ${process.pid}`,
    limits: { helloMs: HELLO_MS },
    signal,
  });
}
