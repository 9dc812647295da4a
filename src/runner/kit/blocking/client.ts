import type { DepthOptions } from "../../../tree/depth.ts";
import { encodeTreeValue, valueOf, type TreeEntry } from "../../../tree/entry.ts";
import type { TreeChild } from "../../../tree/list.ts";
import { encodeMessage } from "../../../tree/messages.ts";
import type { TreeEvent } from "../../../tree/watch.ts";
import { toPath } from "../../../wire/path-text.ts";
import { decodeValue } from "../../../wire/value.ts";
import type { PathLike } from "../../../wire/path.ts";
import type {
  RunDeleteOptions,
  RunMessage,
  RunRequestOptions,
  RunSetOptions,
  RunSetResult,
  RunWatchOptions,
} from "../host-api.ts";
import { pickOptions } from "../options.ts";
import type { BlockingEvents, BlockingHost } from "./events-api.ts";
import { BlockingReader } from "./reader.ts";

/**
 * `_client` of code that blocks: each call waits for the node and gives what a `Client`'s promise would
 * be fulfilled with. Refused with `RUNNER_FENCED` once the job belongs to somebody else.
 */
export class BlockingClient {
  readonly #host: BlockingHost;
  readonly #events: BlockingEvents;
  #last = 0;

  constructor(host: BlockingHost, events: BlockingEvents) {
    this.#host = host;
    this.#events = events;
  }

  /** The value; `undefined` if there is none. */
  get(path: PathLike): unknown {
    const entry = this.entry(path);
    return entry === undefined ? undefined : valueOf(entry);
  }

  /** The value with who wrote it, when, and its revision; `undefined` if there is none. */
  entry(path: PathLike): TreeEntry | undefined {
    return this.#host.entry(toPath(path));
  }

  /** A secret that the node may read, as `Client.secret`; `undefined` if there is none. */
  secret(path: PathLike): unknown {
    const plain = this.#host.secret(toPath(path));
    return plain === undefined ? undefined : decodeValue(plain);
  }

  /** Writes one entry. @throws TreeError `TREE_BAD_VALUE` and as `Tree.set` */
  set(path: PathLike, value: unknown, options: RunSetOptions = {}): RunSetResult {
    const picked = pickOptions(options, ["ifRevision", "onlyNew", "idem"]);
    return this.#host.set(toPath(path), encodeTreeValue(value), picked);
  }

  /** Deletes one entry, or, with `recursive`, all of the subtree. */
  delete(path: PathLike, options: RunDeleteOptions = {}): RunSetResult {
    return this.#host.delete(toPath(path), pickOptions(options, ["ifRevision", "recursive"]));
  }

  /** The children of an entry, also those without a value of their own. */
  list(path: PathLike): Generator<TreeChild, void> {
    const at = toPath(path);
    return this.#pages<TreeChild>((listing) => this.#host.list(listing, at));
  }

  /** The entries at and below a path, depth first in the order of paths. */
  walk(path: PathLike, options: DepthOptions = {}): Generator<TreeEntry, void> {
    const at = toPath(path);
    const picked = pickOptions(options, ["minDepth", "maxDepth"]);
    return this.#pages<TreeEntry>((listing) => this.#host.walk(listing, at, picked));
  }

  /** The events of `Tree.watch`; the reader sets the pace, and waits for the next. */
  watch(path: PathLike, options: RunWatchOptions = {}): BlockingReader<TreeEvent> {
    const picked = pickOptions(options, ["minDepth", "maxDepth", "current"]);
    return new BlockingReader(this.#events, this.#events.readWatch(toPath(path), picked));
  }

  /** Sends a value to whoever is subscribed. */
  publish(topic: PathLike, value: unknown): void {
    this.#host.publish(toPath(topic), encodeTreeValue(value));
  }

  /** Sends bytes as they are. */
  publishRaw(topic: PathLike, data: Uint8Array): void {
    if (!(data instanceof Uint8Array)) throw new TypeError("a raw message is a Uint8Array");
    this.#host.publish(toPath(topic), data);
  }

  /** What is published to a topic and below it, from the moment this returns. */
  subscribe(topic: PathLike, options: { readonly raw?: boolean } = {}): BlockingReader<RunMessage> {
    const raw = options.raw === true;
    return new BlockingReader(this.#events, this.#events.readTopic(toPath(topic), { raw }));
  }

  /**
   * Asks one of those who respond to the topic, once, and gives its answer; throws what it threw.
   *
   * @throws EngineError as `Peers.request`
   */
  request(topic: PathLike, value?: unknown, options: RunRequestOptions = {}): unknown {
    const picked = pickOptions(options, ["timeoutMs"]);
    return this.#host.request(this.#nextId(), toPath(topic), encodeMessage(value), picked);
  }

  /** Below those that the node numbers for the readers. */
  #nextId(): number {
    return --this.#last;
  }

  *#pages<T>(begin: (listing: number) => void): Generator<T, void> {
    const listing = this.#nextId();
    begin(listing);
    let open = true;
    try {
      while (open) {
        const page = this.#host.nextPage(listing) as readonly T[];
        open = page.length > 0;
        yield* page;
      }
    } finally {
      if (open) this.#host.closeStream(listing);
    }
  }
}
