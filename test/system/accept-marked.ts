import { once } from "node:events";
import { createServer } from "node:net";

import type { Channel, ChannelLimits } from "../../src/channel/channel.ts";
import { StreamChannel } from "../../src/channel/stream.ts";

/** Accepts a far end of a channel to a process: a relay joins it to the process's pipes. */
export async function acceptMarked(
  path: string,
  onChannel: (channel: Channel) => void,
  limits: Partial<ChannelLimits> | undefined,
): Promise<{ close(): Promise<void> }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    onChannel(new StreamChannel(socket, { label: "far", limits, marksEnd: true }));
  });
  server.listen(path);
  await once(server, "listening");
  return {
    close: async () => {
      server.close();
      await once(server, "close");
    },
  };
}
