import type { AbortOptions } from "../../base/abort.ts";
import { type ChannelError, RemoteError } from "../../base/errors.ts";
import type { Channel, ChannelState, PeerPresence } from "../../channel/channel.ts";

/**
 * A channel as a session of a thread that blocks sees it. Nobody waits until there is room: the thread
 * waits for answers anyway, and to wait for room as well is how two sides come to wait for each other.
 * What may pile up is limited instead.
 */
export class OutwardChannel implements Channel {
  readonly #inner: Channel;
  readonly #maxUnsentBytes: number;
  #unsentBytes = 0;

  constructor(inner: Channel, maxUnsentBytes: number) {
    this.#inner = inner;
    this.#maxUnsentBytes = maxUnsentBytes;
  }

  get label(): string {
    return this.#inner.label;
  }

  get state(): ChannelState {
    return this.#inner.state;
  }

  get closed(): Promise<ChannelError | undefined> {
    return this.#inner.closed;
  }

  get crossesNetwork(): boolean {
    return this.#inner.crossesNetwork;
  }

  get receivedBytes(): number {
    return this.#inner.receivedBytes;
  }

  presence(): Promise<PeerPresence> {
    return this.#inner.presence();
  }

  /** @throws RemoteError `REMOTE_LIMIT`, as `send` of the channel */
  send(message: Uint8Array): boolean {
    const hasRoom = this.#inner.send(message);
    this.#unsentBytes = hasRoom ? 0 : this.#unsentBytes + message.length;
    if (this.#unsentBytes <= this.#maxUnsentBytes) return true;
    throw new RemoteError("REMOTE_LIMIT", `the peer leaves ${this.#unsentBytes} bytes unread`);
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  receive(receiver: (message: Uint8Array) => void): void {
    this.#inner.receive(receiver);
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  close(options?: AbortOptions): Promise<void> {
    return this.#inner.close(options);
  }

  abort(reason: ChannelError): void {
    this.#inner.abort(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }
}
