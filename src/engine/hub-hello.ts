import type { EngineSupports, Revision } from "./engine.ts";
import type { DirectOffer } from "./hub-direct.ts";

/** What a hub says of itself: which process, and which of the hubs that the store has had. */
export interface HubInfo {
  readonly pid: number;
  readonly epoch: string;
}

/** What a client needs to know before anything else. */
export interface HubHello extends HubInfo {
  /** Of `HubService`: a client refuses one it does not know. */
  readonly protocol: number;
  readonly store: string;
  /** Of its last change; who repeats a write says which one it knew before. */
  readonly revision?: Revision | undefined;
  readonly label: string;
  readonly supports: EngineSupports;
  /** Whether the client is a user, with rights of their own. */
  readonly hasAccount: boolean;
  /** Whether it answers `rows`. */
  readonly hasRows?: boolean | undefined;
  /** Whether it takes requests of bytes alone: see `hub-bytes.ts`. */
  readonly hasBytes?: boolean | undefined;
  /** Where this client may read the store itself, if it is able to. (`direct` was for those that did not look at `told`.) */
  readonly inPlace?: DirectOffer | undefined;
}

/** What a client asks for with its hello. */
export interface HubRequest {
  /** The set of conversions through which it reads and writes. */
  readonly codecs?: string | undefined;
}

export const HUB_PROTOCOL = 3;
