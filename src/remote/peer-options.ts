import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Flavour } from "./flavour.ts";
import type { SessionLimits } from "./protocol.ts";
import type { SessionOptions } from "./session.ts";

/** The options of a session with their defaults filled in. */
export interface PeerOptions extends SessionOptions {
  readonly limits: SessionLimits;
  readonly clock: Clock;
  readonly log: Log;
  /** The value classes that the peer knows. */
  readonly peerValues?: readonly string[];
  /** Whether the peer uses proxies. */
  readonly describes?: boolean;
  /** Whether both sides tell the types of what they send references to. */
  readonly tells?: boolean;
  /** Set where this side does. */
  readonly flavour?: Flavour;
}
