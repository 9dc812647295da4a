import { RemoteError } from "../../base/errors.ts";
import type { BlockingChannel } from "../../channel/channel.ts";

/** So many calls of a thread may wait within each other. */
const MAX_NESTING = 256;

/** What this needs of its host. */
interface Host {
  readonly setImmediate?: (run: () => void) => void;
}

/** The same after what waits already, in a turn of its own. */
function inLaterTurn(run: () => void): void {
  const { setImmediate: soon } = globalThis as Host;
  if (soon === undefined) setTimeout(run, 0);
  else soon(run);
}

/**
 * What this thread waits for by blocking, whichever session it is for.
 *
 * While it blocks, it serves what others wait for by blocking: that may be what this thread itself
 * waits for, by whatever ways, or somebody who calls this one just as it calls them. Such requests
 * carry a chain. Everything else waits for the event loop, as it would with local objects.
 */
class SyncThread {
  readonly #refusals = new Set<string>();
  #depth = 0;
  #deferred: (() => void)[] = [];
  #scheduled = false;
  #ready: (() => void)[] = [];
  #isReading = false;
  #lastChain = Math.floor(Math.random() * 2 ** 30);
  /** On whose behalf this thread acts; 0 where that is its own. */
  #chain = 0;
  #timeoutMs: number | undefined;
  /** Counts what may have changed a remote object. */
  epoch = 0;

  /** The chain that a call made now belongs to. */
  get chain(): number {
    return this.#chain === 0 ? ++this.#lastChain : this.#chain;
  }

  /** How long a call may take, if that was said for the code that runs. */
  get timeoutMs(): number | undefined {
    return this.#timeoutMs;
  }

  /** Lets calls within `body` take so long. */
  withTimeout<T>(ms: number, body: () => T): T {
    const before = this.#timeoutMs;
    this.#timeoutMs = ms;
    try {
      return body();
    } finally {
      this.#timeoutMs = before;
    }
  }

  /** From now on, until disposed of, a call that would block fails. */
  refuse(why: string): Disposable {
    this.#refusals.add(why);
    return { [Symbol.dispose]: () => void this.#refusals.delete(why) };
  }

  /** @throws TypeError where the thread must not; RemoteError `REMOTE_LIMIT` */
  assertMayBlock(): void {
    for (const why of this.#refusals) {
      throw new TypeError(`this thread must not wait for a remote object: ${why}`);
    }
    if (this.#depth < MAX_NESTING) return;
    throw new RemoteError("REMOTE_LIMIT", `${MAX_NESTING} calls wait within each other already`);
  }

  /** Blocks until `done`, or `ms` have passed, or the channel has ended. */
  block(channel: BlockingChannel, done: () => boolean, ms: number): void {
    const chain = this.#chain;
    this.#depth++;
    try {
      channel.block(() => {
        this.#runReady();
        return done();
      }, performance.now() + ms);
    } finally {
      this.#depth--;
      this.#chain = chain;
      if (this.#depth === 0) this.#schedule();
    }
  }

  /** Whether a message is being read. Nobody may be asked anything until all of it is. */
  get isReading(): boolean {
    return this.#isReading;
  }

  /**
   * Reads a message, and then runs what it leads to. Not before: what that waits for would be read
   * first, and could build on what stands in the rest of this message.
   */
  read(read: () => void): void {
    this.#isReading = true;
    try {
      read();
    } finally {
      this.#isReading = false;
    }
    this.#runReady();
  }

  /** Runs this when the message at hand is read. */
  soon(run: () => void): void {
    this.#ready.push(run);
  }

  #runReady(): void {
    while (this.#ready.length > 0) this.#ready.shift()?.();
  }

  /** Serves a request now, or when the event loop turns. */
  serve(chain: number, run: () => void): void {
    if (chain === 0 && (this.#depth > 0 || this.#deferred.length > 0)) {
      this.#deferred.push(run);
      if (this.#depth === 0) this.#schedule();
      return;
    }
    const before = this.#chain;
    this.#chain = chain;
    try {
      run();
    } finally {
      this.#chain = before;
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#deferred.length === 0) return;
    this.#scheduled = true;
    inLaterTurn(() => {
      this.#scheduled = false;
      const [first] = this.#deferred;
      // It stays in the row until it has run: what comes meanwhile is behind it.
      first?.();
      this.#deferred.shift();
      this.#schedule();
    });
  }
}

/** This thread's. */
export const syncThread: SyncThread = new SyncThread();
