import type { AbortOptions } from "../../base/abort.ts";
import { BanyanError, TreeError } from "../../base/errors.ts";
import { Listing } from "../../base/listing.ts";
import type {
  ChildrenOptions,
  Cursor,
  Engine,
  EngineChild,
  EngineEntry,
  EngineEvent,
  EngineVersion,
  EngineWatch,
  ListOptions,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from "../../engine/engine.ts";
import { EngineView } from "./engine-view.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { Path } from "../../wire/path.ts";
import { contend } from "../contend.ts";
import type { RuleBook } from "./rule-book.ts";
import type { CodecUnit, RuleRefusal, RuleRunner } from "./rule-runner.ts";

const NO_BYTES = new Uint8Array();
/** What is converted together, and after how many bytes what is there goes on its way: codecs may make much of little. */
const CONVERTED_AT_ONCE = 64;
const PIECE_BYTES = { page: 1024 * 1024, events: 16 * 1024 * 1024 } as const;

/**
 * An engine as one client wants to see it: what it reads was encoded, and what it writes is decoded, by
 * the codecs that a set of conversions has for the paths. An entry that can't be converted has an
 * `error`; a write that can't be throws it.
 */
export class ConvertedEngine extends EngineView {
  readonly #set: string;
  readonly #book: RuleBook;
  readonly #runner: RuleRunner;

  constructor(inner: Engine, options: { set: string; book: RuleBook; runner: RuleRunner }) {
    super(inner);
    this.#set = options.set;
    this.#book = options.book;
    this.#runner = options.runner;
  }

  /** What lies in the store is not what this client is to see. */
  override get direct(): undefined {
    return undefined;
  }

  override get rows(): undefined {
    return undefined;
  }

  override async get(path: Path, options?: AbortOptions): Promise<EngineEntry | undefined> {
    return this.#read(await this.inner.get(path, options));
  }

  override async put(
    path: Path,
    value: Uint8Array,
    options: WriteOptions = {},
  ): Promise<WriteResult> {
    const codec = this.#book.codecOf(this.#set, path);
    if (codec === undefined) return this.inner.put(path, value, options);
    if (!/\bprev\b/.test(codec.decode)) {
      const bytes = await this.#decode(codec, path, { value });
      return this.#result(await this.inner.put(path, bytes, options));
    }
    // What it is made of has to be what it replaces.
    const asked = options.ifRevision;
    let seen = 0;
    const round = async (): Promise<WriteResult> => {
      const present = await this.inner.get(path, { signal: options.signal });
      seen = present?.revision ?? 0;
      const bytes = await this.#decode(codec, path, { value, previous: present?.value });
      return this.#result(
        await this.inner.put(path, bytes, { ...options, ifRevision: asked ?? seen }),
      );
    };
    return contend(round, () => asked === undefined);
  }

  override async delete(path: Path, options?: WriteOptions): Promise<WriteResult> {
    return this.#result(await this.inner.delete(path, options));
  }

  override list(prefix: Path, options?: ListOptions): Listing<EngineEntry> {
    const inner = this.inner.list(prefix, options);
    const convert = (entry: EngineEntry): Promise<EngineEntry> => this.#entry(entry);
    return inPages(inner, { convert, bytesOf });
  }

  override children(path: Path, options?: ChildrenOptions): Listing<EngineChild> {
    const inner = this.inner.children(path, options);
    const convert = async ({ name, entry }: EngineChild): Promise<EngineChild> => ({
      name,
      entry: await this.#read(entry),
    });
    return inPages(inner, { convert, bytesOf: ({ entry }) => bytesOf(entry) });
  }

  override watch(prefix: Path, options?: WatchOptions): EngineWatch {
    return new ConvertedWatch(this.inner.watch(prefix, options), async (event) =>
      event.type === "put" ? { type: "put", entry: await this.#entry(event.entry) } : event,
    );
  }

  override async history(path: Path, options?: AbortOptions): Promise<readonly EngineVersion[]> {
    const versions = await this.inner.history(path, options);
    return Promise.all(
      versions.map(async (version) => {
        const { value } = version;
        return value === undefined ? version : this.#entry({ ...version, value });
      }),
    );
  }

  async #result({ revision, previous }: WriteResult): Promise<WriteResult> {
    return { revision, previous: await this.#read(previous) };
  }

  async #read(entry: EngineEntry | undefined): Promise<EngineEntry | undefined> {
    return entry === undefined ? undefined : this.#entry(entry);
  }

  async #entry(entry: EngineEntry): Promise<EngineEntry> {
    const { path, value } = entry;
    try {
      const codec = this.#book.codecOf(this.#set, path);
      if (codec === undefined) return entry;
      const outcome = await this.#runner.run({ kind: "encode", units: [codec], value });
      if (outcome.ok) return { ...entry, value: outcome.value as Uint8Array };
      throw refused(path, "read", outcome);
    } catch (error) {
      if (!BanyanError.is(error)) throw error;
      return { ...entry, value: NO_BYTES, error };
    }
  }

  async #decode(
    codec: CodecUnit,
    path: Path,
    given: { value: Uint8Array; previous?: Uint8Array | undefined },
  ): Promise<Uint8Array> {
    const outcome = await this.#runner.run({ kind: "decode", units: [codec], ...given });
    if (outcome.ok) return outcome.value as Uint8Array;
    throw refused(path, "written", outcome);
  }
}

/** The batches of a watch with their events changed, in order. */
class ConvertedWatch implements EngineWatch {
  readonly #inner: EngineWatch;
  readonly #convert: (event: EngineEvent) => Promise<EngineEvent>;
  #cursor: Cursor;

  constructor(inner: EngineWatch, convert: (event: EngineEvent) => Promise<EngineEvent>) {
    this.#inner = inner;
    this.#convert = convert;
    this.#cursor = inner.cursor;
  }

  get cursor(): Cursor {
    return this.#cursor;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly EngineEvent[], void> {
    for await (const batch of this.#inner) {
      const cursor = this.#inner.cursor;
      const pieces = inPieces(batch, {
        convert: this.#convert,
        bytesOf: (event) => (event.type === "put" ? bytesOf(event.entry) : 0),
        pieceBytes: PIECE_BYTES.events,
      });
      let last: readonly EngineEvent[] = [];
      for await (const piece of pieces) {
        // Only the whole of it takes the watch on: who resumes in its middle hears all of it again.
        if (last.length > 0) yield last;
        last = piece;
      }
      this.#cursor = cursor;
      yield last;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }
}

interface Converting<T> {
  readonly convert: (item: T) => Promise<T>;
  readonly bytesOf: (item: T) => number;
}

function bytesOf(entry: EngineEntry | undefined): number {
  return entry?.value.length ?? 0;
}

/** Converts a page at a time, or less. */
function inPages<T>(inner: Listing<T>, converting: Converting<T>): Listing<T> {
  return new Listing(async function* () {
    for await (const page of inner.pages()) {
      yield* inPieces(page, { ...converting, pieceBytes: PIECE_BYTES.page });
    }
  });
}

async function* inPieces<T>(
  items: readonly T[],
  { convert, bytesOf: sizeOf, pieceBytes }: Converting<T> & { readonly pieceBytes: number },
): AsyncGenerator<readonly T[], void> {
  let piece: T[] = [];
  let bytes = 0;
  // Nothing of what is asked for beyond a piece may be used: so the first one says how many are worth it.
  let atOnce = 1;
  for (let start = 0; start < items.length;) {
    const some = await Promise.all(items.slice(start, start + atOnce).map(convert));
    start += some.length;
    let taken = 0;
    for (const item of some) {
      piece.push(item);
      taken += sizeOf(item);
    }
    bytes += taken;
    if (bytes >= pieceBytes) {
      yield piece;
      [piece, bytes] = [[], 0];
    }
    const fitting = Math.ceil(((pieceBytes - bytes) * some.length) / (taken + 1));
    atOnce = Math.min(Math.max(fitting, 1), CONVERTED_AT_ONCE);
  }
  if (piece.length > 0) yield piece;
}

function refused(path: Path, what: "read" | "written", refusal: RuleRefusal): TreeError {
  const { why, unit, reason, at } = refusal;
  const where = at === undefined ? "" : `${at}: `;
  return new TreeError(
    why === "refused" ? "TREE_CODEC_REFUSED" : "TREE_RULE_FAILED",
    `${formatPath(path)} can't be ${what} with the codec ${unit}: ${where}${reason}`,
    { details: { path, codec: unit, reason, ...(why === "refused" ? {} : { why }) } },
  );
}
