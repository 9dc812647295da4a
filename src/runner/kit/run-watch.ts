import type { Revision } from "../../engine/engine.ts";
import type { TreeEntry } from "../../tree/entry.ts";
import type { TreeEvent } from "../../tree/watch.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Path } from "../../wire/path.ts";
import type { EventQueue, WatchPlace } from "./event-queue.ts";
import type { StreamItem } from "./host-api.ts";
import { ChangeMsg } from "./messages.ts";
import type { OpenStream, StreamTarget } from "./streams.ts";

interface Known {
  readonly path: Path;
  readonly value: unknown;
  readonly revision: Revision;
}

/**
 * One watch of a run: turns what the tree tells into `ChangeMsg`s. What was missed while contact was
 * lost is told as changes, too: the code never sees more than entries that change.
 */
export class RunWatch implements StreamTarget, AsyncDisposable {
  readonly path: Path;
  readonly #queue: EventQueue;
  readonly #place: WatchPlace | undefined;
  readonly #onError: (error: unknown) => void;
  readonly #known = new Map<string, Known>();
  /** After a reset: what was known and has not been mentioned since. */
  #unconfirmed: Set<string> | undefined;
  #stream: OpenStream | undefined;

  /** `tellsReady`: whether the run's `ReadyMsg` waits for it. */
  constructor(
    path: Path,
    queue: EventQueue,
    options: { readonly tellsReady: boolean; readonly onError: (error: unknown) => void },
  ) {
    this.path = path;
    this.#queue = queue;
    this.#place = options.tellsReady ? queue.addWatch() : undefined;
    this.#onError = options.onError;
  }

  /** Called once, when it has been begun. */
  attach(stream: OpenStream): void {
    this.#stream = stream;
  }

  async put(items: readonly StreamItem[]): Promise<void> {
    for (const event of items as readonly TreeEvent[]) await this.#take(event);
  }

  end(error?: unknown): void {
    if (this.#place !== undefined) this.#queue.removeWatch(this.#place);
    if (error !== undefined) this.#onError(error);
  }

  /** Ends it; events that are in the queue stay there. Idempotent. */
  async close(): Promise<void> {
    await this.#stream?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #take(event: TreeEvent): Promise<void> {
    switch (event.type) {
      case "put":
        return this.#put(event.entry);
      case "delete":
        return this.#delete(event.path, event.revision);
      case "reset":
        this.#unconfirmed = new Set(this.#known.keys());
        return;
      case "ready":
        await this.#ready(event.revision);
        if (this.#place !== undefined) this.#queue.listed(this.#place);
        return;
      case "stale":
      case "live":
        return;
    }
  }

  async #put({ path, value, revision }: TreeEntry): Promise<void> {
    const name = formatPath(path);
    const before = this.#known.get(name);
    this.#unconfirmed?.delete(name);
    if (before?.revision === revision) return;
    this.#known.set(name, { path, value, revision });
    await this.#tell(new ChangeMsg(path, value, revision, before?.value));
  }

  async #delete(path: Path, revision: Revision): Promise<void> {
    const name = formatPath(path);
    const before = this.#known.get(name);
    this.#known.delete(name);
    this.#unconfirmed?.delete(name);
    await this.#tell(new ChangeMsg(path, undefined, revision, before?.value));
  }

  async #ready(revision: Revision): Promise<void> {
    for (const name of this.#unconfirmed ?? []) {
      const before = this.#known.get(name);
      if (before !== undefined) await this.#delete(before.path, revision);
    }
    this.#unconfirmed = undefined;
  }

  async #tell(message: ChangeMsg): Promise<void> {
    if (this.#place === undefined) this.#queue.push(message);
    else await this.#queue.change(this.#place, message);
  }
}
