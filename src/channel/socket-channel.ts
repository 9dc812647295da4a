import type { Socket } from "node:net";

import type { ChannelLimits, PeerPresence } from "./channel.ts";
import { prepareSocket } from "./network.ts";
import { socketPresence } from "./socket-presence.ts";
import type { OutletOwner } from "./outlet.ts";
import { StreamChannel } from "./stream.ts";

/** For labels only. */
let lastNumber = 0;

/** A channel over a socket of the network, plain or encrypted, that is open. */
export function socketChannel(
  socket: Socket,
  address: string,
  limits: Partial<ChannelLimits> | undefined,
  gate?: OutletOwner,
): StreamChannel {
  prepareSocket(socket);
  const label = `${address}#${++lastNumber}`;
  const presence = (): Promise<PeerPresence> => socketPresence(socket);
  return new StreamChannel(socket, { label, limits, presence, gate });
}
