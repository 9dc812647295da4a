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
