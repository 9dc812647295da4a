import type { Socket } from "node:net";

import type { WebSocket } from "ws";

import {
  type Channel,
  type ChannelLimits,
  DEFAULT_CHANNEL_LIMITS,
  type PeerPresence,
} from "./channel.ts";
import { prepareSocket } from "./network.ts";
import { maxPostedBytes, PostingChannel } from "./posting-channel.ts";
import { joinWebSocket } from "./socket-post.ts";
import { socketPresence } from "./socket-presence.ts";

/** How long the other side may take to answer that it closes too. */
const CLOSE_MS = 2_000;

export interface WebSocketChannelOptions {
  readonly label: string;
  readonly limits: Partial<ChannelLimits> | undefined;
}

/** A channel over an open WebSocket of `ws`, and the connection that it uses. */
export function webSocketChannel(
  socket: WebSocket,
  connection: Socket,
  { label, limits }: WebSocketChannelOptions,
): Channel {
  prepareSocket(connection);
  const presence = (): Promise<PeerPresence> => socketPresence(connection);
  return new PostingChannel({ label, limits, presence }, (events) => {
    const joined = joinWebSocket(socket, events);
    return {
      ...joined,
      receivedBytes: () => connection.bytesRead,
      keepAlive: (on) => void (on ? connection.ref() : connection.unref()),
      close: () => {
        joined.close();
        setTimeout(() => socket.terminate(), CLOSE_MS).unref();
      },
    };
  });
}

/** How `ws` is told what the channel's limits mean to it. Nothing is compressed. */
export function webSocketSettings(limits: Partial<ChannelLimits> | undefined): {
  readonly perMessageDeflate: false;
  readonly maxPayload: number;
} {
  const { maxMessageBytes = DEFAULT_CHANNEL_LIMITS.maxMessageBytes } = limits ?? {};
  return { perMessageDeflate: false, maxPayload: maxPostedBytes({ maxMessageBytes }) };
}
