import type { Outbox } from "./outbox.ts";
import type { Receiver } from "./receiver.ts";
import type { Sender } from "./sender.ts";
import type { Serving } from "./serving.ts";
import type { Tables } from "./tables.ts";

/** What a session holds and has done. */
export interface SessionStats {
  /** Objects and functions of ours that the peer holds, and results that it has not asked for. */
  readonly exports: number;
  /** References to the peer's that we hold. */
  readonly imports: number;
  /** Calls of ours that are not answered yet. */
  readonly pending: number;
  /** Calls of the peer's that are not answered yet. */
  readonly serving: number;
  /** Promises that crossed in either direction and are not settled, and results kept for the peer. */
  readonly waiting: number;
  /** Requests made and served since the session was opened. */
  readonly calls: number;
  readonly served: number;
  /** Messages with requests since then: what waited for the network. */
  readonly roundTrips: number;
  readonly sentMessages: number;
  readonly sentBytes: number;
  readonly receivedMessages: number;
  readonly receivedBytes: number;
}

/** Over all sessions of this thread: for `expectRoundTrips`. */
export const totals: { roundTrips: number } = { roundTrips: 0 };

/** The parts of a session that count. */
export interface CountingParts {
  readonly tables: Tables;
  readonly serving: Serving;
  readonly sender: Sender;
  readonly outbox: Outbox;
  readonly receiver: Receiver;
}

export function statsOf({
  tables,
  serving,
  sender,
  outbox,
  receiver,
}: CountingParts): SessionStats {
  return {
    exports: tables.exports.size + serving.lent,
    imports: tables.imports.size,
    pending: tables.pending.size,
    serving: serving.running,
    waiting: tables.promises.size + tables.signals.size + serving.waitedFor,
    calls: sender.requests,
    roundTrips: sender.roundTrips,
    served: serving.received,
    sentMessages: outbox.sentMessages,
    sentBytes: outbox.sentBytes,
    receivedMessages: receiver.messages,
    receivedBytes: receiver.bytes,
  };
}
