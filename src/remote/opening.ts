import { BanyanError, RemoteError } from "../base/errors.ts";
import type { Channel } from "../channel/channel.ts";
import { checkWelcome, decodeHello, encodeHello, encodeWelcome, type Hello } from "./handshake.ts";

/** Somebody who wants in, as they say. */
export interface Stranger {
  /** What they call themselves. */
  readonly name: string;
  /** What they gave as `credentials`; plain data, from anybody. */
  readonly credentials: unknown;
  /** Where they come from, for logs. */
  readonly label: string;
}

const NOT_ACCEPTED = "the credentials were not accepted";

/**
 * Lets a peer in, or not: by answering false, or by throwing. The peer is told that much; and that it may
 * come again, where a RemoteError `REMOTE_LIMIT` was thrown.
 */
export type Authenticate = (stranger: Stranger) => boolean | void | Promise<boolean | void>;

export interface OpeningEvents {
  /** Both sides have let the other in. Whatever comes from now on is the session's. */
  opened(hello: Hello): void;
  failed(error: unknown): void;
}

/** What two sides say before there is a session; see `handshake.ts`. */
export class Opening {
  readonly #channel: Channel;
  readonly #authenticate: Authenticate | undefined;
  readonly #events: OpeningEvents;
  #hello: Hello | undefined;
  #hasLetIn = false;
  #isLetIn = false;
  #over = false;

  constructor(channel: Channel, authenticate: Authenticate | undefined, events: OpeningEvents) {
    this.#channel = channel;
    this.#authenticate = authenticate;
    this.#events = events;
  }

  /** To be called once, before anything is received. */
  begin(hello: Hello): void {
    this.send(encodeHello({ ...hello, asks: this.#authenticate !== undefined }));
  }

  /** Takes part in nothing any more. */
  stop(): void {
    this.#over = true;
  }

  receive(message: Uint8Array): void {
    if (this.#over) return;
    try {
      if (this.#hello === undefined) this.#greet(message);
      else this.#welcomed(message);
    } catch (error) {
      this.#fail(error);
    }
  }

  send(message: Uint8Array): void {
    try {
      this.#channel.send(message);
    } catch {
      // `closed` tells why.
    }
  }

  #greet(message: Uint8Array): void {
    const hello = decodeHello(message);
    this.#hello = hello;
    this.#isLetIn = hello.asks !== true;
    if (this.#authenticate === undefined) {
      this.#hasLetIn = true;
      this.#openIfDone();
    } else {
      this.#letIn(this.#authenticate, hello);
    }
  }

  #welcomed(message: Uint8Array): void {
    if (this.#isLetIn) {
      throw new RemoteError("REMOTE_PROTOCOL", "the peer went on before it was let in");
    }
    checkWelcome(message);
    this.#isLetIn = true;
    this.#openIfDone();
  }

  /** At once where that is known at once: the thread may block until this is done. */
  #letIn(authenticate: Authenticate, { name, credentials }: Hello): void {
    const { label } = this.#channel;
    let answer: ReturnType<Authenticate>;
    try {
      answer = authenticate({ name, credentials, label });
    } catch (error) {
      this.#decide(false, error);
      return;
    }
    if (answer instanceof Promise) void this.#letInLater(answer);
    else this.#decide(answer !== false);
  }

  async #letInLater(answer: Promise<boolean | void>): Promise<void> {
    let accepted: boolean | void = false;
    let refused: unknown;
    try {
      accepted = await answer;
    } catch (error) {
      refused = error;
    }
    this.#decide(accepted !== false, refused);
  }

  #decide(accepted: boolean, refused?: unknown): void {
    if (this.#over) return;
    if (!accepted) {
      // The peer is told no more than that.
      this.#fail(
        BanyanError.has(refused, "REMOTE_LIMIT")
          ? new RemoteError("REMOTE_LIMIT", "too many want in at once; try again in a moment")
          : new RemoteError("REMOTE_DENIED", NOT_ACCEPTED, { cause: refused }),
      );
      return;
    }
    this.#hasLetIn = true;
    this.send(encodeWelcome());
    this.#openIfDone();
  }

  #openIfDone(): void {
    if (this.#hello === undefined || !this.#hasLetIn || !this.#isLetIn) return;
    this.#over = true;
    this.#events.opened(this.#hello);
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.failed(error);
  }
}
