import { onAbort } from "../base/abort.ts";
import { RemoteError } from "../base/errors.ts";

/** Abort signals that cross as arguments: each lives as long as its call. */
export class SignalTable {
  readonly #report: (id: number, reason: unknown) => void;
  readonly #limit: number;
  readonly #sent = new Set<number>();
  readonly #received = new Map<number, AbortController>();
  #lastId = 0;
  /** Those of the request that is being read. */
  #fresh: number[] | undefined;

  /** `report` tells the peer of a signal that aborted. */
  constructor(limit: number, report: (id: number, reason: unknown) => void) {
    this.#limit = limit;
    this.#report = report;
  }

  get size(): number {
    return this.#sent.size + this.#received.size;
  }

  /** Passes aborts on until the listener is disposed of, which whoever ends the call does. */
  send(signal: AbortSignal): { readonly id: number; readonly listener: Disposable } {
    const id = ++this.#lastId;
    this.#sent.add(id);
    const inner = signal.aborted
      ? undefined
      : onAbort(signal, () => this.#report(id, signal.reason));
    const listener = {
      [Symbol.dispose]: () => {
        inner?.[Symbol.dispose]();
        this.#sent.delete(id);
      },
    };
    return { id, listener };
  }

  /**
   * `undefined` for an id that is in use.
   *
   * @throws RemoteError `REMOTE_LIMIT`
   */
  receive(id: number): AbortController | undefined {
    if (this.#received.has(id)) return undefined;
    if (this.#received.size >= this.#limit) {
      throw new RemoteError("REMOTE_LIMIT", `${this.#limit} signals are in use`);
    }
    const controller = new AbortController();
    this.#received.set(id, controller);
    (this.#fresh ??= []).push(id);
    return controller;
  }

  /** The ids that were received since the last time, for `forget`. */
  takeReceived(): readonly number[] | undefined {
    const fresh = this.#fresh;
    this.#fresh = undefined;
    return fresh;
  }

  /** Aborts what the peer aborted. Its call may have ended meanwhile: then nothing happens. */
  abort(id: number, reason: unknown): void {
    this.#received.get(id)?.abort(reason);
  }

  /** The call they came with has ended. */
  forget(ids: readonly number[] | undefined): void {
    if (ids === undefined) return;
    for (const id of ids) this.#received.delete(id);
  }

  /** The peer is gone, and nobody waits for what it asked for. */
  clear(reason: unknown): void {
    const controllers = [...this.#received.values()];
    this.#received.clear();
    for (const controller of controllers) controller.abort(reason);
  }
}
