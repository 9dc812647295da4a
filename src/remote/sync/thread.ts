import { RemoteError } from "../../base/errors.ts";
import type { BlockingChannel } from "../../channel/channel.ts";

/** So many calls of a thread may wait within each other. */
const MAX_NESTING = 256;

/** Somebody who blocks this thread. */
interface Wait {
  readonly channel: BlockingChannel;
  /** A time of `performance.now()`. */
  readonly deadline: number;
}

/** Something to be served, for as long as there is somebody to serve. */
interface Errand {
  readonly chain: number;
  readonly run: () => void;
  readonly isOver: () => boolean;
}

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
  /** Within each other. */
  readonly #waits: Wait[] = [];
  /** Of their deadlines. */
  #firstDeadline = Infinity;
  #deferred: Errand[] = [];
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
    if (this.#waits.length < MAX_NESTING) return;
    throw new RemoteError("REMOTE_LIMIT", `${MAX_NESTING} calls wait within each other already`);
  }

  /**
   * Blocks until `done`, or `ms` have passed, or the channel has ended. What is waited for within
   * another wait for the same channel lasts no longer than that: whoever is at the end of it could
   * hold this thread for ever.
   */
  block(channel: BlockingChannel, done: () => boolean, ms: number): void {
    const chain = this.#chain;
    const first = this.#firstDeadline;
    const around = this.#waits.findLast((wait) => wait.channel === channel);
    const deadline = Math.min(performance.now() + ms, around?.deadline ?? Infinity);
    this.#waits.push({ channel, deadline });
    this.#firstDeadline = Math.min(first, deadline);
    try {
      channel.block(() => {
        this.#runReady();
        return done();
      }, deadline);
      // Where the channel has ended, nobody asked whether it is done.
      this.#runReady();
    } finally {
      this.#waits.pop();
      this.#firstDeadline = first;
      this.#chain = chain;
      if (this.#waits.length === 0) this.#schedule();
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
    // Whoever blocks does so next, with less on the stack: calls are nested there.
    if (this.#waits.length === 0) this.#runReady();
  }

  /** Runs this when the message at hand is read. */
  soon(run: () => void): void {
    this.#ready.push(run);
  }

  #runReady(): void {
    while (this.#ready.length > 0) this.#ready.shift()?.();
  }

  /** Serves a request now, or when the event loop turns. */
  serve(errand: Errand): void {
    if (this.#isForLater(errand.chain)) {
      this.#deferred.push(errand);
      if (this.#waits.length === 0) this.#schedule();
      return;
    }
    const before = this.#chain;
    this.#chain = errand.chain;
    try {
      errand.run();
    } finally {
      this.#chain = before;
    }
  }

  /** Where somebody should have gone on already, nothing new keeps them from it. */
  #isForLater(chain: number): boolean {
    if (chain === 0) return this.#waits.length > 0 || this.#deferred.length > 0;
    return this.#waits.length > 0 && performance.now() > this.#firstDeadline;
  }

  #schedule(): void {
    if (this.#scheduled || this.#deferred.length === 0) return;
    this.#scheduled = true;
    inLaterTurn(() => {
      this.#scheduled = false;
      const [first] = this.#deferred;
      // It stays in the row until it has run: what comes meanwhile is behind it.
      if (first !== undefined) this.#runFirst(first);
      const next = this.#deferred.findIndex(({ isOver }, i) => i > 0 && !isOver());
      this.#deferred.splice(0, next < 0 ? this.#deferred.length : next);
      this.#schedule();
    });
  }

  #runFirst({ chain, run }: Errand): void {
    this.#chain = chain;
    try {
      run();
    } finally {
      this.#chain = 0;
    }
  }
}

/** This thread's. */
export const syncThread: SyncThread = new SyncThread();
