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
  const deadline = AbortSignal.timeout(HELLO_MS);
  const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  const channel = await dialUnix(socket, { signal: either });
  return openSession(channel, {
    plain: "copy",
    name: `pid ${process.pid}`,
    limits: { helloMs: HELLO_MS },
    signal,
  });
}
