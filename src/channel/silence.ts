import { ChannelError } from "../base/errors.ts";
import type { PeerPresence } from "./channel.ts";

const MEANING: Readonly<Record<PeerPresence, string>> = {
  busy: "it takes what it is sent, so it is there, but busy or frozen",
  gone: "nobody takes what it is sent, so it is gone, or the network is",
  unknown: "it is busy, or gone",
};

/** `CHANNEL_SILENT`, of a peer from which nothing came for so long. */
export function silenceError(presence: PeerPresence, silentMs: number): ChannelError {
  const says = `nothing came from the peer for ${silentMs} ms: ${MEANING[presence]}`;
  return new ChannelError("CHANNEL_SILENT", says, { details: { presence, silentMs } });
}
