import { Iteration } from "../../base/iteration.ts";
import type { Path } from "../../wire/path.ts";
import type {
  Cursor,
  Engine,
  EngineEvent,
  EngineWatch,
  WatchOptions,
} from "../../engine/engine.ts";
import type { Rights } from "./rights.ts";

export interface GuardedWatchOptions extends WatchOptions {
  readonly rights: Rights;
  /** Whether the reader may see an entry at this path, now. */
  readonly sees: (path: Path) => boolean;
  /** Throws where nothing may be watched here any more. */
  readonly check: () => void;
}

/** No store has this name: a watch that goes on behind it starts over, and says so. */
const NO_STORE = "";

/**
 * A watch that tells only what its reader may see, by the rights of that moment. When they change it
 * starts over with a "reset", after which its reader has exactly what it may have: no more than that,
 * and what it may see only now as well.
 */
export class GuardedWatch extends Iteration<readonly EngineEvent[]> implements EngineWatch {
  readonly #engine: Engine;
  readonly #prefix: Path;
  readonly #options: GuardedWatchOptions;
  readonly #listener: Disposable;
  #watch: EngineWatch;
  #events: AsyncIterator<readonly EngineEvent[]>;
  /** The rights have changed since `#watch` began. */
  #outdated = false;
  /** `#watch` took the place of another: its "live" is not one. */
  #restarted = false;
  #ended = false;

  constructor(engine: Engine, prefix: Path, options: GuardedWatchOptions) {
    super();
    this.#engine = engine;
    this.#prefix = prefix;
    this.#options = options;
    const { after, rights } = options;
    // What was told before the rights changed is not what may be told now.
    const isOld = after !== undefined && after.revision < rights.revision;
    this.#watch = this.#open(isOld ? { store: NO_STORE, revision: after.revision } : after);
    this.#events = this.#watch[Symbol.asyncIterator]();
    this.#listener = rights.subscribe(() => {
      this.#outdated = true;
      // Whoever waits for it goes on with the next.
      void this.#watch[Symbol.asyncDispose]();
    });
  }

  get cursor(): Cursor {
    return this.#watch.cursor;
  }

  override async next(): Promise<IteratorResult<readonly EngineEvent[]>> {
    for (;;) {
      if (this.#outdated && !this.#ended) this.#restart();
      const { done, value } = await this.#events.next();
      if (this.#outdated && !this.#ended) continue;
      if (done === true) return { done: true, value: undefined };
      const seen = this.#visible(value);
      if (seen.length > 0) return { done: false, value: seen };
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    this.#listener[Symbol.dispose]();
    await this.#watch[Symbol.asyncDispose]();
  }

  #open(after: Cursor | undefined): EngineWatch {
    const { maxBacklog, signal } = this.#options;
    return this.#engine.watch(this.#prefix, { after, maxBacklog, signal });
  }

  #restart(): void {
    this.#outdated = false;
    try {
      this.#options.check();
    } catch (error) {
      void this[Symbol.asyncDispose]();
      throw error;
    }
    this.#restarted = true;
    this.#watch = this.#open({ store: NO_STORE, revision: 0 });
    this.#events = this.#watch[Symbol.asyncIterator]();
  }

  #visible(batch: readonly EngineEvent[]): EngineEvent[] {
    const { sees } = this.#options;
    const seen: EngineEvent[] = [];
    for (const event of batch) {
      if (event.type === "put" || event.type === "delete") {
        if (sees(event.entry.path)) seen.push(event);
      } else if (event.type === "reset" && event.cause === "store") {
        seen.push(this.#restarted ? { type: "reset", cause: "rights" } : event);
      } else if (event.type === "live" && this.#restarted) this.#restarted = false;
      else seen.push(event);
    }
    return seen;
  }
}
