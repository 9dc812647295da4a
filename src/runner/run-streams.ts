import type { StreamItem } from "./kit/host-api.ts";

/** Something a run has open on its node. */
export interface HostStream {
  close(): Promise<void>;
}

/** Items that are sent, or wait to be, at a time. */
const BATCH = 256;

/** A listing that is asked for page by page. */
export class PageStream implements HostStream {
  readonly #items: AsyncIterator<unknown>;

  constructor(source: AsyncIterable<unknown>) {
    this.#items = source[Symbol.asyncIterator]();
  }

  /** At most `BATCH` items; none when there are no more. */
  async next(): Promise<readonly unknown[]> {
    const page: unknown[] = [];
    while (page.length < BATCH) {
      const { done, value } = await this.#items.next();
      if (done === true) break;
      page.push(value);
    }
    return page;
  }

  async close(): Promise<void> {
    await this.#items.return?.();
  }
}

export interface PushStreamOptions {
  readonly source: AsyncIterable<StreamItem>;
  /** Ends the source. */
  readonly close: () => Promise<void>;
  /** Sends items on; the next are sent when it resolves. */
  readonly put: (items: readonly StreamItem[]) => Promise<void>;
  /** Called once, when the source has ended by itself or with an error. */
  readonly end: (error?: unknown) => void;
}

/**
 * Sends what a source brings as it comes, what comes meanwhile together. It reads ahead by one batch:
 * then the source has to keep it, by its own rules.
 */
export class PushStream implements HostStream {
  readonly #options: PushStreamOptions;
  #batch: StreamItem[] = [];
  #sending: Promise<void> | undefined;
  #closed = false;

  constructor(options: PushStreamOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#read().then(
      () => this.#ended(),
      (error: unknown) => this.#ended(error),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#options.close();
  }

  async #read(): Promise<void> {
    for await (const item of this.#options.source) {
      if (this.#closed) return;
      this.#batch.push(item);
      this.#sending ??= this.#send();
      if (this.#batch.length >= BATCH) await this.#sending;
    }
    await this.#sending;
  }

  /** Rejects where the receiver is gone; that ends the stream when it is read on. */
  async #send(): Promise<void> {
    try {
      while (this.#batch.length > 0 && !this.#closed) {
        const items = this.#batch;
        this.#batch = [];
        await this.#options.put(items);
      }
      this.#sending = undefined;
    } catch (error) {
      this.#ended(error);
      await this.close();
    }
  }

  #ended(error?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.end(error);
  }
}
