import type { Channel, ChannelLimits } from "./channel.ts";
import { listenToPort, type PortLike } from "./port-like.ts";
import { PostingChannel } from "./posting-channel.ts";

/** From here on the engine's own copy costs more than handing the memory over. */
const MIN_TRANSFER_BYTES = 16 * 1024;

export interface PortChannelOptions {
  /** For logs, as `worker:3`. */
  readonly label?: string | undefined;
  readonly limits?: Partial<ChannelLimits> | undefined;
}

/**
 * A channel over a `MessagePort`, a `Worker`, or a worker's own `parentPort`, of Node or a browser.
 * Takes it over: nothing else may post to it, listen to it or close it; only a `Worker` is left
 * running, and its owner terminates it. The other side may start later: what is posted waits. Make
 * the channel in the same turn as the `Worker`, or the first messages from it are lost.
 *
 * All messages of one turn of the event loop are copied into one posted array. The peer says what its receiver has
 * had, and without that no more than about `HIGH_WATER_BYTES` are posted: the rest waits here.
 */
export function portChannel(
  port: PortLike,
  { label = "port:", limits }: PortChannelOptions = {},
): Channel {
  return new PostingChannel({ label, limits }, (events) => {
    const stopListening = listenToPort(port, events);
    return {
      post: (posted) => {
        const { buffer, byteLength } = posted;
        port.postMessage(posted, byteLength < MIN_TRANSFER_BYTES ? [] : [buffer]);
      },
      keepAlive: (on) => (on ? port.ref?.() : port.unref?.()),
      close: () => {
        stopListening();
        port.close?.();
      },
    };
  });
}
