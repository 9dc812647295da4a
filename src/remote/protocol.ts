/**
 * What two sessions say to each other. A message of the channel holds any number of frames, one
 * behind the other; the first message each side sends is its hello (`handshake.ts`).
 *
 * Requests are numbered by counting: the first that a side sends is 1, and so on, on both sides
 * alike. Ids of exports, promises and signals are drawn by the side that owns the thing, count up
 * and are never used again. Integers are the writer's varints; `value` is the codec's.
 *
 * - request: kind (with `KEEP` and `QUIET` or not), chain, target, path, then its operands, by kind
 * - request of bytes alone: kind, how many (32 bits, the lowest byte first), the bytes
 * - `ANSWER` request value; `FAILURE` request value
 * - `RELEASE` count, then that many of export, times; `FINISH` count, then that many requests
 * - `SETTLED` promise, fulfilled (1 or 0), value; `ABORTED` signal, value
 * - `BYE`; `BROKEN` value
 * - `ATTACHED` count, in a message of its own: so many messages follow that are not frames but the
 *   bytes of arrays in the message behind them
 *
 * The chain says on whose behalf a request is made: requests that a side makes while it serves
 * another carry that one's chain. 0 starts a chain of its own. The answers do not carry it.
 *
 * A target is a number: twice an id of the receiver's exports (0 is what it offers by name), or
 * twice the distance back to an earlier request of the same sender, plus 1, which stands for that
 * request's result; such a request was sent with `KEEP` and holds until `FINISH`.
 */
import { kindOf } from "../base/kind-of.ts";

/** The versions of the protocol that this code speaks. */
export const VERSIONS = { min: 1, max: 1 } as const;

/** What the receiver is asked to do with the thing at the end of the path. */
export const Operation = {
  /** Operands: a number of arguments, the arguments. */
  call: 1,
  construct: 2,
  get: 3,
  /** The last step of the path is what is set, tested or deleted. Operand: the value. */
  set: 4,
  has: 5,
  delete: 6,
  keys: 7,
  snapshot: 8,
  /** Answers with the first chunk and, where there is more, a reference to pull from. */
  iterate: 9,
  /** Operand: the class. */
  instanceOf: 10,
  entries: 11,
  /** Operands: source text, and the object whose properties are its variables. */
  evaluate: 12,
  /**
   * What a proxy asks for (`reflect.ts`). Operands: a number of them, what it is, the rest by that. A
   * result that is a promise is not waited for.
   */
  reflect: 13,
  /** Operand: what to do with each item, as `replay.ts` reads it. Answers with a list. */
  map: 14,
  /** For whoever takes such requests there: see `byte-calls.ts`. Their form is a matter of both. */
  bytes: 15,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/** No request's kind is beyond, but for what is added to it. */
export const LAST_OPERATION: Operation = Operation.bytes;

/** Added to a request's kind: later requests refer to its result. */
export const KEEP = 0x80;

/** Added besides `KEEP`: nobody waits for the result, so that there is no answer, nor a failure. */
export const QUIET = 0x40;

/** What is left of a request's kind without these. */
export const OPERATION_BITS = 0x3f;

/** The kinds of frames that are not requests. */
export const Frame = {
  answer: 0x20,
  failure: 0x21,
  release: 0x22,
  finish: 0x23,
  settled: 0x24,
  aborted: 0x25,
  bye: 0x26,
  broken: 0x27,
  attached: 0x28,
} as const;

/** The id of what a side offers by name. */
export const ROOT_ID = 0;

/** Each side applies its own; the smaller `maxMessageBytes` of the two holds for both. */
export interface SessionLimits {
  /** Bytes of one message, also of the largest value. Not over the channel's own limit. */
  readonly maxMessageBytes: number;
  /** Calls that wait for an answer, in either direction. */
  readonly maxPendingCalls: number;
  /** Objects, functions and promises that the peer may hold of ours. */
  readonly maxExports: number;
  /** How deep values may be nested. */
  readonly maxDepth: number;
  /**
   * Values within one message, which bounds the work it makes; a reference counts as eight. Requests of
   * one message are served until they have made four times as many steps of work.
   */
  readonly maxItems: number;
  /** Requests within one message. */
  readonly maxRequestsPerMessage: number;
  /** Bytes that may wait because the peer doesn't read; then calls are refused. */
  readonly maxUnsentBytes: number;
  /** How long the peer may take for its hello. */
  readonly helloMs: number;
  /** How long `close()` waits for answers in either direction. */
  readonly closeGraceMs: number;
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  maxMessageBytes: 64 * 1024 * 1024,
  maxPendingCalls: 65_536,
  maxExports: 262_144,
  maxDepth: 128,
  maxItems: 1_000_000,
  maxRequestsPerMessage: 65_536,
  maxUnsentBytes: 128 * 1024 * 1024,
  helloMs: 10_000,
  closeGraceMs: 5_000,
};

/** The defaults, but for those that are given. */
export function limitsOf(given: Partial<SessionLimits> | undefined): SessionLimits {
  const set = Object.entries(given ?? {}).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_SESSION_LIMITS, ...Object.fromEntries(set) };
}

/** A reference that crosses is as much work as so many values: `maxItems` counts them for it, besides itself. */
export const ITEMS_OF_REFERENCE = 7;
/** Messages beside one. */
export const MAX_ATTACHMENTS = 4_096;
/** Steps of a path, arguments of a call. */
export const MAX_PATH_STEPS = 64;
export const MAX_ARGUMENTS = 65_536;

/** @throws TypeError at what is no name of something that a peer offers */
export function checkedName(name: unknown): string {
  if (typeof name === "string") return name;
  throw new TypeError(`a name is a string, not ${kindOf(name)}`);
}
