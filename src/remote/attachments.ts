import { RemoteError } from "../base/errors.ts";
import { MAX_ATTACHMENTS } from "./protocol.ts";

const NONE: readonly Uint8Array[] = [];

/** Gathers the messages that are no frames but the bytes of arrays in the message behind them. */
export class Attachments {
  readonly #maxBytes: number;
  #due = 0;
  #bytes = 0;
  #gathered: Uint8Array[] = [];

  /** `maxBytes`: of all that go with one message. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The peer announces so many.
   *
   * @throws RemoteError `REMOTE_PROTOCOL`
   */
  announce(count: number): void {
    if (count < 1 || count > MAX_ATTACHMENTS) refuse(`${count} attachments`);
    if (this.#due + this.#gathered.length > 0) refuse("attachments of attachments");
    this.#due = count;
  }

  /**
   * Takes a message where one was announced. False where none was: then it is one of frames.
   *
   * @throws RemoteError `REMOTE_PROTOCOL`
   */
  take(message: Uint8Array): boolean {
    if (this.#due === 0) return false;
    this.#due--;
    this.#bytes += message.length;
    if (this.#bytes > this.#maxBytes) refuse(`attachments of ${this.#bytes} bytes`);
    this.#gathered.push(message);
    return true;
  }

  /** What goes with the message at hand. */
  takeAll(): readonly Uint8Array[] {
    if (this.#gathered.length === 0) return NONE;
    const all = this.#gathered;
    this.#gathered = [];
    this.#bytes = 0;
    return all;
  }
}

function refuse(what: string): never {
  throw new RemoteError("REMOTE_PROTOCOL", what);
}
