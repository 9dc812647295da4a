import type { Log } from "../base/log.ts";
import { IterationSource } from "./iteration-source.ts";
import { bare } from "./marks.ts";
import { Frame } from "./protocol.ts";
import type { Sender } from "./sender.ts";
import type { Incoming, Replies } from "./serving.ts";
import type { SignalTable } from "./signals.ts";

/** What a reporter needs of its session. */
export interface ReporterContext {
  readonly sender: Sender;
  readonly signals: SignalTable;
  readonly log: Log;
  readonly onError: ((error: unknown) => unknown) | undefined;
  /** Bytes that wait because the peer doesn't read. */
  unsentBytes(): number;
  /** A request was answered. */
  answered(): void;
  /** Not even an error could be told: the peer would wait for ever. */
  failed(error: unknown): void;
}

/**
 * Tells the peer what came of something. What can't be sent becomes the error that says why, so that
 * nobody there waits for ever.
 */
export class Reporter implements Replies {
  readonly #context: ReporterContext;
  #stopped = false;

  constructor(context: ReporterContext) {
    this.#context = context;
  }

  get unsentBytes(): number {
    return this.#context.unsentBytes();
  }

  /** Tells nothing any more. */
  stop(): void {
    this.#stopped = true;
  }

  answer(incoming: Incoming, value: unknown): boolean {
    this.#context.signals.forget(incoming.signals);
    const sent = this.#send(Frame.answer, incoming.id, value);
    this.#context.answered();
    return sent;
  }

  fail(incoming: Incoming, reason: unknown): void {
    this.#context.signals.forget(incoming.signals);
    this.#send(Frame.failure, incoming.id, this.shown(reason));
    this.#context.answered();
  }

  silent(incoming: Incoming): void {
    this.#context.signals.forget(incoming.signals);
    this.#context.answered();
  }

  aborted(id: number, reason: unknown): void {
    this.#send(Frame.aborted, id, reason);
  }

  settled(id: number, fulfilled: boolean, value: unknown): void {
    if (this.#stopped) return;
    const { sender } = this.#context;
    try {
      sender.settled(id, fulfilled, fulfilled ? value : this.shown(value));
    } catch (error) {
      this.#instead(error, (shown) => sender.settled(id, false, shown));
    }
  }

  #send(kind: number, id: number, value: unknown): boolean {
    if (this.#stopped) return true;
    const { sender } = this.#context;
    try {
      sender.value(kind, id, value);
      return true;
    } catch (error) {
      this.#instead(error, (shown) => {
        IterationSource.abandon(bare(value));
        sender.value(kind === Frame.answer ? Frame.failure : kind, id, shown);
      });
      return false;
    }
  }

  /** Never throws: what calls this has nobody above it who could tell the peer. */
  #instead(error: unknown, send: (shown: unknown) => void): void {
    try {
      send(this.shown(error));
    } catch (last) {
      this.#context.failed(last);
    }
  }

  /** What the peer gets to see of an error. A hook that fails hides it altogether. */
  shown(reason: unknown): unknown {
    const { onError, log } = this.#context;
    if (onError === undefined) return reason;
    try {
      return onError(reason);
    } catch (error) {
      log.error("the hook for errors failed", { error });
      return new Error("the call failed");
    }
  }
}
