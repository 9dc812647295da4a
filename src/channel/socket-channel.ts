import type { Socket } from "node:net";

import type { Channel, ChannelLimits } from "./channel.ts";
import { prepareSocket } from "./network.ts";
import { socketPresence } from "./socket-presence.ts";
import { StreamChannel } from "./stream.ts";

/** For labels only. */
let lastNumber = 0;

/** A channel over a socket of the network, plain or encrypted, that is open. */
export function socketChannel(
  socket: Socket,
  address: string,
  limits: Partial<ChannelLimits> | undefined,
): Channel {
  prepareSocket(socket);
  const label = `${address}#${++lastNumber}`;
  return new StreamChannel(socket, { label, limits, presence: () => socketPresence(socket) });
}
