import { type Deferred, deferred } from "../base/deferred.ts";
import { RemoteError } from "../base/errors.ts";

/** Tells the peer what became of a promise. */
export type Report = (id: number, fulfilled: boolean, value: unknown) => void;

/** Promises that crossed before they were settled, in both directions. */
export class PromiseTable {
  readonly #report: Report;
  readonly #limit: number;
  readonly #sent = new Set<number>();
  readonly #received = new Map<number, Deferred<unknown>>();
  #lastId = 0;

  constructor(limit: number, report: Report) {
    this.#limit = limit;
    this.#report = report;
  }

  get size(): number {
    return this.#sent.size + this.#received.size;
  }

  /**
   * Takes a promise of ours on its way to the peer, and reports when it settles.
   *
   * @throws RemoteError `REMOTE_LIMIT`
   */
  send(promise: PromiseLike<unknown>): number {
    if (this.#sent.size >= this.#limit) {
      // Nobody else looks at it, and what comes of it must not end this process.
      promise.then(undefined, () => {});
      throw new RemoteError("REMOTE_LIMIT", `the peer waits for ${this.#limit} promises already`);
    }
    const id = ++this.#lastId;
    this.#sent.add(id);
    const settle = (fulfilled: boolean, value: unknown): void => {
      if (this.#sent.delete(id)) this.#report(id, fulfilled, value);
    };
    promise.then(
      (value) => settle(true, value),
      (reason: unknown) => settle(false, reason),
    );
    return id;
  }

  /** The peer never got it. */
  cancel(id: number): void {
    this.#sent.delete(id);
  }

  /**
   * `undefined` for an id that is in use.
   *
   * @throws RemoteError `REMOTE_LIMIT`
   */
  receive(id: number): Promise<unknown> | undefined {
    if (this.#received.has(id)) return undefined;
    if (this.#received.size >= this.#limit) {
      throw new RemoteError("REMOTE_LIMIT", `${this.#limit} promises are not settled yet`);
    }
    const incoming = deferred<unknown>();
    // Whoever got it may never look at it.
    incoming.promise.catch(() => {});
    this.#received.set(id, incoming);
    return incoming.promise;
  }

  /** False for a promise the peer never sent, or has settled before. */
  settle(id: number, fulfilled: boolean, value: unknown): boolean {
    const incoming = this.#received.get(id);
    if (incoming === undefined) return false;
    this.#received.delete(id);
    if (fulfilled) incoming.resolve(value);
    else incoming.reject(value);
    return true;
  }

  /** Rejects what the peer will never settle. */
  clear(reason: unknown): void {
    this.#sent.clear();
    for (const incoming of this.#received.values()) incoming.reject(reason);
    this.#received.clear();
  }
}
