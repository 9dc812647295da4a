/**
 * How the clients of one store meet: requests and answers, who is there, and links between two of them.
 * A part of the engine contract (`engine.ts`); nothing of it is stored.
 *
 * Promised: a request is carried out once at most, and by one responder; a link loses and repeats
 * nothing, or it is broken and both ends are told. Not promised: that a request which failed has not
 * been carried out, unless the code says so.
 */
import type { AbortOptions } from "../base/abort.ts";
import type { Path } from "../wire/path.ts";

/** What a responder gets. */
export interface EngineRequest {
  readonly topic: Path;
  readonly data: Uint8Array;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** What a responder says; the bytes mean what the two have agreed on. */
export interface EngineAnswer {
  /** The responder could not do it, and the data says why. */
  readonly failed: boolean;
  readonly data: Uint8Array;
  /** Who answers, as it calls itself. For people. */
  readonly by: string;
}

/** One that rejects counts as one that went away. */
export type EngineResponder = (request: EngineRequest) => Promise<EngineAnswer>;

export interface RequestOptions extends AbortOptions {
  /** How long to wait for the answer. Default 10,000. */
  timeoutMs?: number | undefined;
}

/** Something that is offered to others until it is disposed of. */
export interface EngineOffer extends AsyncDisposable {
  /** Resolves when others can find it. It stays through the loss of a hub. */
  readonly ready: Promise<void>;
}

/** Somebody who is there. */
export interface EngineMember {
  readonly place: Path;
  /** Another each time somebody comes, also to the same place. */
  readonly id: string;
  /** When it came: milliseconds since 1970 by its own clock. For people. */
  readonly since: number;
  /** What it says of itself. */
  readonly about: Uint8Array;
}

export interface AnnounceOptions extends AbortOptions {
  /** For one who was there before, and announces itself again after contact was lost. */
  again?: { readonly id: string; readonly since: number } | undefined;
}

/** Why somebody is there no more. "left": it said so; "lost": its process or the way to it is gone. */
export type LeaveReason = "left" | "lost";

export interface EngineMembership extends EngineOffer {
  readonly id: string;
  readonly since: number;
  /** As disposing, with a reason; default "left". */
  leave(reason?: LeaveReason): void;
}

export type PresenceEvent =
  | { readonly type: "join"; readonly member: EngineMember }
  | { readonly type: "leave"; readonly member: EngineMember; readonly reason: LeaveReason }
  /** Everybody who was there at the beginning has been told. Once. */
  | { readonly type: "ready" }
  /** Contact was lost: who comes and goes is not seen. */
  | { readonly type: "stale" }
  /** It is back. Who does not come back within moments is then told to be lost. */
  | { readonly type: "live" };

/**
 * Who is there, who comes and who goes, for one reader, in batches. A reader that lags is not told of
 * those who came and went meanwhile.
 */
export interface EnginePresence extends AsyncIterable<readonly PresenceEvent[]>, AsyncDisposable {}

/** Where one end's messages go. After `end` or `broken` nothing more comes. */
export interface LinkSink {
  /**
   * A piece of a message, the last one of it unless there is `more`. Resolves when the far end took
   * it; who sends far ahead of that fills the memory of all between.
   */
  message(piece: Uint8Array, more: boolean): Promise<void> | void;
  /** Nothing more comes from this end. */
  end(): void;
  /** The link is broken, and what was under way is lost. */
  broken(reason: string): void;
}

/** Gets what goes to the caller, and gives what takes what comes from it. */
export type LinkAcceptor = (caller: LinkSink) => LinkSink | Promise<LinkSink>;

/** The largest piece of a message on a link. */
export const MAX_PIECE_BYTES = 256 * 1024;

export interface EnginePeers {
  /**
   * Asks one of those who respond to this topic: the one with the fewest requests at that moment.
   *
   * @throws EngineError `ENGINE_NO_RESPONDER` at once where nobody is there; `ENGINE_NO_ANSWER`,
   *   `ENGINE_RESPONDER_LOST`, `ENGINE_AMBIGUOUS` (the hub was lost) where it may have been carried
   *   out; `ENGINE_TOO_LARGE`, `ENGINE_BAD_TOPIC`; the signal's reason
   */
  request(topic: Path, data: Uint8Array, options?: RequestOptions): Promise<EngineAnswer>;

  /**
   * Asks everybody who responds to this topic, and gives the answers as they come. Those who give none
   * in time, or go away, are missing.
   *
   * @throws as `request`, but for what concerns one responder
   */
  requestAll(
    topic: Path,
    data: Uint8Array,
    options?: RequestOptions,
  ): AsyncIterableIterator<EngineAnswer>;

  /** Answers requests to `topic`, and with "+" and "#" in it to all that fit. */
  respond(topic: Path, responder: EngineResponder, options?: AbortOptions): EngineOffer;

  /** Says that this client is there, at `place`, until it is disposed of or this process ends. */
  announce(place: Path, about: Uint8Array, options?: AnnounceOptions): EngineMembership;

  /** Who is there at `place` and below it. */
  presence(place: Path, options?: AbortOptions): EnginePresence;

  /** Takes links that others open to `door`. What throws, refuses. */
  accept(door: Path, acceptor: LinkAcceptor, options?: AbortOptions): EngineOffer;

  /**
   * Opens a link to one of those who accept at `door`. Broken when either process ends or the hub is
   * lost.
   *
   * @throws EngineError `ENGINE_NO_RESPONDER`, `ENGINE_UNAVAILABLE`; `ENGINE_RESPONDER_LOST` where it
   *   was refused; the signal's reason
   */
  link(door: Path, near: LinkSink, options?: AbortOptions): Promise<LinkSink>;
}
