import type { OptionNames } from "../../base/options.ts";
import type { Channel } from "../../channel/channel.ts";
import { checkSessionOptions, SESSION_OPTIONS } from "../check-options.ts";
import { heartbeatOf } from "../heartbeat.ts";
import type { SessionOptions } from "../session.ts";

/**
 * As of any session, but for what only a session of promises can do. An `authenticate` that answers
 * with a promise needs the event loop: not where a thread blocks for the session at once, as in
 * `connectSync`.
 */
export interface SyncSessionOptions extends Omit<
  SessionOptions,
  "signal" | "callSites" | "timeoutMs" | "unref" | "peerBlocks"
> {
  /** How long a call may take. Default 30,000; `Infinity` for no limit. */
  readonly timeoutMs?: number | undefined;
}

const { signal: _1, callSites: _2, unref: _3, peerBlocks: _4, ...names } = SESSION_OPTIONS;
export const SYNC_SESSION_OPTIONS: OptionNames<SyncSessionOptions> = names;

/** What `heartbeatOf` needs of a channel that there is none of yet. */
const NOWHERE: Pick<Channel, "crossesNetwork"> = { crossesNetwork: true };

/** @throws TypeError; RangeError, as `checkSessionOptions` */
export function checkSyncOptions<Options extends SyncSessionOptions>(
  options: Options,
  table: OptionNames<Options>,
  of: string,
): void {
  checkSessionOptions(options, table, of);
  heartbeatOf(NOWHERE, options.heartbeat);
}
