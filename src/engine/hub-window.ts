import { type Deferred, deferred } from "../base/deferred.ts";

/** So much may be unanswered in one window before its next call waits. */
const MAX_BYTES = 1024 * 1024;
/** In all windows of this process: more than this, and each has one call at a time. */
const MAX_BYTES_OF_ALL = 64 * 1024 * 1024;

let bytesOfAll = 0;

/** Lets so many calls be unanswered at a time, and so much of what they carry: it is kept until it has left. */
export class Window {
  readonly #size: number;
  readonly #onFailure: () => unknown;
  #calls = 0;
  #bytes = 0;
  #room: Deferred<void> | undefined;

  /** `onFailure` is called when a call failed: the client is gone. */
  constructor(size: number, onFailure: () => unknown) {
    this.#size = size;
    this.#onFailure = onFailure;
  }

  /** Resolves when there is room for the next; undefined where there is. `bytes` is what the call carries. */
  add(call: Promise<void> | void, bytes = 0): Promise<void> | undefined {
    this.#calls++;
    this.#count(bytes);
    void Promise.resolve(call)
      .catch(() => void this.#onFailure())
      .then(() => this.#answered(bytes));
    if (this.#hasRoom) return undefined;
    this.#room ??= deferred();
    return this.#room.promise;
  }

  /** Others that don't answer keep nobody from going on who does. */
  get #hasRoom(): boolean {
    if (this.#calls === 0) return true;
    const most = bytesOfAll < MAX_BYTES_OF_ALL ? MAX_BYTES : 1;
    return this.#calls < this.#size && this.#bytes < most;
  }

  #answered(bytes: number): void {
    this.#calls--;
    this.#count(-bytes);
    if (!this.#hasRoom) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    bytesOfAll += bytes;
  }
}
