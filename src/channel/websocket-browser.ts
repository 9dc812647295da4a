import { onAbort } from "../base/abort.ts";
import { deferred } from "../base/deferred.ts";
import { ChannelError } from "../base/errors.ts";
import type { Channel, ChannelLimits, DialOptions, PeerPresence } from "./channel.ts";
import { PostingChannel } from "./posting-channel.ts";
import { joinWebSocket, type WebSocketLike } from "./socket-post.ts";

/** What this needs of a browser. */
interface Host {
  readonly WebSocket?: new (address: string) => PageWebSocket;
}

interface PageWebSocket extends WebSocketLike {
  addEventListener: WebSocketLike["addEventListener"] &
    ((event: "open" | "error", listener: () => void) => void);
}

/** For labels only. */
let lastNumber = 0;

/**
 * Dials `ws://` or `wss://` by the `WebSocket` that browsers have, and Node from 22 on.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; browsers don't say why
 */
export async function dialWebSocket(
  address: string,
  { signal, limits }: DialOptions,
): Promise<Channel> {
  signal.throwIfAborted();
  const { WebSocket } = globalThis as Host;
  if (WebSocket === undefined) throw new TypeError("there is no WebSocket here");
  const socket = new WebSocket(address);
  const opened = deferred<Channel>();
  const fail = (): void => {
    const says = `nothing accepts at ${address}`;
    opened.reject(new ChannelError("CHANNEL_REFUSED", says));
  };
  // Within the event, or what comes right behind it is lost.
  socket.addEventListener("open", () => opened.resolve(overWebSocket(socket, address, limits)));
  socket.addEventListener("error", fail);
  socket.addEventListener("close", fail);
  using _listener = onAbort(signal, () => {
    opened.reject(signal.reason as Error);
    socket.close();
  });
  return await opened.promise;
}

function overWebSocket(
  socket: WebSocketLike,
  address: string,
  limits: Partial<ChannelLimits> | undefined,
): Channel {
  const label = `${address}#${++lastNumber}`;
  return new PostingChannel({ label, limits, presence }, (events) => joinWebSocket(socket, events));
}

/** A page can't look at its connection. */
async function presence(): Promise<PeerPresence> {
  return "unknown";
}
