import { abortable, type AbortOptions, onAbort } from "../../base/abort.ts";
import type { DepthOptions } from "../../tree/depth.ts";
import { encodeTreeValue, valueOf, type TreeEntry } from "../../tree/entry.ts";
import type { TreeChild } from "../../tree/list.ts";
import { encodeMessage } from "../../tree/messages.ts";
import type { TreeEvent } from "../../tree/watch.ts";
import { toPath } from "../../wire/path-text.ts";
import type { Path, PathLike } from "../../wire/path.ts";
import { decodeValue } from "../../wire/value.ts";
import type {
  RunDeleteOptions,
  RunHostApi,
  RunMessage,
  RunRequestOptions,
  RunSetOptions,
  RunSetResult,
  RunWatchOptions,
} from "./host-api.ts";
import { pickOptions } from "./options.ts";
import { type OpenStream, StreamReader, type Streams } from "./streams.ts";

/** Returns the answer, or throws. */
type RunResponder = (value: never, request: { readonly topic: Path }) => unknown;

/**
 * `_client`: the tree as the code of a run has it. The same words as `Tree`; each call goes to the
 * node, and is refused with `RUNNER_FENCED` once the job belongs to somebody else.
 */
export class Client {
  readonly #host: RunHostApi;
  readonly #streams: Streams;

  constructor(host: RunHostApi, streams: Streams) {
    this.#host = host;
    this.#streams = streams;
  }

  /** The value; `undefined` if there is none. */
  async get(path: PathLike): Promise<unknown> {
    const entry = await this.entry(path);
    return entry === undefined ? undefined : valueOf(entry);
  }

  /** The value with who wrote it, when, and its revision; `undefined` if there is none. */
  async entry(path: PathLike): Promise<TreeEntry | undefined> {
    return this.#host.entry(toPath(path));
  }

  /**
   * A secret that the node may read; `undefined` if there is none. From then on the run's log, result and
   * errors don't show it.
   *
   * @throws TreeError `TREE_NO_KEY`; EngineError `ENGINE_DENIED`
   */
  async secret(path: PathLike): Promise<unknown> {
    const plain = await this.#host.secret(toPath(path));
    return plain === undefined ? undefined : decodeValue(plain);
  }

  /** Writes one entry. @throws TreeError `TREE_BAD_VALUE` and as `Tree.set` */
  async set(path: PathLike, value: unknown, options: RunSetOptions = {}): Promise<RunSetResult> {
    const picked = pickOptions(options, ["ifRevision", "onlyNew", "idem"]);
    return this.#host.set(toPath(path), encodeTreeValue(value), picked);
  }

  /** Deletes one entry, or, with `recursive`, all of the subtree. */
  async delete(path: PathLike, options: RunDeleteOptions = {}): Promise<RunSetResult> {
    return this.#host.delete(toPath(path), pickOptions(options, ["ifRevision", "recursive"]));
  }

  /** The children of an entry, also those without a value of their own. */
  list(path: PathLike): AsyncGenerator<TreeChild, void> {
    const at = toPath(path);
    return this.#pages<TreeChild>((stream) => this.#host.list(stream, at));
  }

  /** The entries at and below a path, depth first in the order of paths. */
  walk(path: PathLike, options: DepthOptions = {}): AsyncGenerator<TreeEntry, void> {
    const at = toPath(path);
    const picked = pickOptions(options, ["minDepth", "maxDepth"]);
    return this.#pages<TreeEntry>((stream) => this.#host.walk(stream, at, picked));
  }

  /** The events of `Tree.watch`; the reader sets the pace. */
  async watch(path: PathLike, options: RunWatchOptions = {}): Promise<StreamReader<TreeEvent>> {
    const at = toPath(path);
    const picked = pickOptions(options, ["minDepth", "maxDepth", "current"]);
    return StreamReader.open(this.#streams, (stream) => this.#host.watch(stream, at, picked));
  }

  /** Sends a value to whoever is subscribed. */
  async publish(topic: PathLike, value: unknown): Promise<void> {
    return this.#host.publish(toPath(topic), encodeTreeValue(value));
  }

  /** Sends bytes as they are. */
  async publishRaw(topic: PathLike, data: Uint8Array): Promise<void> {
    if (!(data instanceof Uint8Array)) throw new TypeError("a raw message is a Uint8Array");
    return this.#host.publish(toPath(topic), data);
  }

  /** What is published to a topic and below it, from the moment this resolves. */
  async subscribe(
    topic: PathLike,
    options: { readonly raw?: boolean } = {},
  ): Promise<StreamReader<RunMessage>> {
    const at = toPath(topic);
    const raw = options.raw === true;
    return StreamReader.open(this.#streams, (stream) => this.#host.subscribe(stream, at, { raw }));
  }

  /**
   * Asks one of those who respond to the topic, once, and gives its answer; throws what it threw.
   *
   * @throws EngineError as `Peers.request`; `signal.reason` when that aborts, and the responder is told
   */
  async request(
    topic: PathLike,
    value?: unknown,
    options: RunRequestOptions & AbortOptions = {},
  ): Promise<unknown> {
    const { signal, ...rest } = pickOptions(options, ["timeoutMs", "signal"]);
    signal?.throwIfAborted();
    const stream = this.#streams.nextId();
    const answer = this.#host.request(stream, toPath(topic), encodeMessage(value), rest);
    if (signal === undefined) return answer;
    const giveUp = onAbort(signal, () => void this.#host.closeStream(stream).catch(() => {}));
    try {
      return await abortable(answer, signal);
    } finally {
      giveUp[Symbol.dispose]();
    }
  }

  /**
   * Answers requests to the topic, and with "+" and "#" in it to all that fit, until it is closed or the
   * run ends. What `responder` throws, whoever asked gets thrown.
   */
  async respond(topic: PathLike, responder: RunResponder): Promise<AsyncDisposable & OpenStream> {
    if (typeof responder !== "function") throw new TypeError("a responder is a function");
    const stream = this.#streams.nextId();
    await this.#host.respond(stream, toPath(topic), async (asked, data) =>
      encodeMessage(await responder(decodeValue(data) as never, { topic: asked })),
    );
    const close = (): Promise<void> => this.#host.closeStream(stream);
    return { close, [Symbol.asyncDispose]: close };
  }

  async *#pages<T>(begin: (stream: number) => Promise<void>): AsyncGenerator<T, void> {
    const stream = this.#streams.nextId();
    await begin(stream);
    let open = true;
    try {
      while (open) {
        const page = (await this.#host.nextPage(stream)) as readonly T[];
        open = page.length > 0;
        yield* page;
      }
    } finally {
      if (open) await this.#host.closeStream(stream);
    }
  }
}
