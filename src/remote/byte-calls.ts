import { Call, type Request, type Target, type WriteBytes } from "./call.ts";
import { Operation, ROOT_ID } from "./protocol.ts";
import type { Incoming, Serving } from "./serving.ts";
import type { Session } from "./session.ts";

/**
 * Takes what the peer has sent: part of a message that nobody writes to, to be copied where it is kept for long. What it
 * returns, or its promise resolves with, is the answer, as of any call.
 */
export type BytesTaker = (bytes: Uint8Array) => unknown;

/**
 * Requests of bytes alone, for two sides of a session that both know what is in them: the quickest way there is. They
 * have no name or arguments to be looked at, and are copied neither when they are sent nor when they come. In order with all
 * other calls, under the same limits, and answered as those are.
 */
export interface ByteCalls {
  /** Asks the peer, which has to take them: `REMOTE_NOT_FOUND` otherwise. An older one would end the session. */
  ask(write: WriteBytes): Promise<unknown>;
  /** Takes those of the peer. */
  take(taker: BytesTaker): void;
}

/** What they need of their session. */
interface ByteCallsContext {
  /** Something of the peer's. */
  readonly target: Target;
  readonly serving: Pick<Serving, "takeBytes">;
  readonly send: (call: Call, request: Request) => unknown;
}

const known = new WeakMap<Session, ByteCalls>();
const NONE: readonly never[] = [];

/** @throws TypeError for a session of another kind */
export function byteCallsOf(session: Session): ByteCalls {
  const calls = known.get(session);
  if (calls === undefined) throw new TypeError("a session of this package is needed");
  return calls;
}

/** For a session that has begun. */
export function createByteCalls(session: Session, context: ByteCallsContext): void {
  const { target, serving, send } = context;
  const operation = Operation.bytes;
  known.set(session, {
    ask: (write) => {
      const call = new Call(target.caller);
      send(call, { operation, target, path: NONE, operands: NONE, write });
      return outcomeOf(call);
    },
    take: (taker) => serving.takeBytes(taker),
  });
}

/** Nothing is asked of a result before it is there, so that a plain promise will do. */
function outcomeOf(call: Call): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call.whenSettled(() => {
      if (call.state === "fulfilled") resolve(call.outcome);
      else reject(call.outcome);
    });
  });
}

/** What is to be known of one of the peer's, besides the bytes. */
export function incomingBytes(id: number): Incoming {
  return {
    id,
    operation: Operation.bytes,
    keep: false,
    quiet: false,
    target: { type: "export", id: ROOT_ID },
    path: [],
    operands: [],
    signals: undefined,
  };
}
