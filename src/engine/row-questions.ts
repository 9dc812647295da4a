/** A client's part of reading many entries in one question: see `row-answers.ts`. */
import { abortable, type AbortOptions } from "../base/abort.ts";
import { atEndOfTurn } from "../base/end-of-turn.ts";
import { EngineError } from "../base/errors.ts";
import { encodePathInto, encodePlainText } from "../wire/path-key.ts";
import { toPath } from "../wire/path-text.ts";
import { type Path, PATH_LIMITS, type PathLike } from "../wire/path.ts";
import type { EngineEntry, EntryInPlace, SoonReads } from "./engine.ts";
import { inPlace, RowInPlace } from "./entry-row.ts";
import { grown, KEY_SIZE_BYTES, ROW_SIZE_BYTES, sizeAt } from "./row-answers.ts";
import { Ask } from "./hub-bytes.ts";
import { type HubSession, isLost } from "./hub-link.ts";

/** What one question may hold. */
const MAX_ASKED = 1_000;
/** Where so many more wait behind so many, these leave by themselves, and both sides work at the same time. */
const MIN_PART = 32;
const MAX_KEY_BYTES = PATH_LIMITS.maxEncodedBytes;

interface Asked {
  readonly path: PathLike;
  readonly read: (entry: EntryInPlace) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

interface RowQuestionsOptions {
  /** Whom to ask; undefined where nobody can be asked in this way now. */
  readonly session: () => HubSession | undefined;
  /** Asks for one entry in the usual way, when a question was in vain. */
  readonly askAlone: (path: Path) => Promise<EngineEntry | undefined>;
}

/** A client's part of it. */
export class RowQuestions implements SoonReads {
  readonly #options: RowQuestionsOptions;
  #asked: Asked[] = [];
  #question = new Uint8Array(4 * 1024);
  #size = 0;
  /** Questions that are not answered yet. */
  unanswered = 0;

  constructor(options: RowQuestionsOptions) {
    this.#options = options;
  }

  get<T>(
    path: PathLike,
    read: (entry: EntryInPlace) => T,
    { signal }: AbortOptions,
  ): Promise<T | undefined> {
    const answered = new Promise<T | undefined>((resolve, reject) => {
      signal?.throwIfAborted();
      // What is the caller's may be another array by the time of the answer.
      const asked = typeof path === "string" ? path : toPath(path);
      this.#add({ path: asked, read, resolve: resolve as (value: unknown) => void, reject });
    });
    return signal === undefined ? answered : abortable(answered, signal);
  }

  /** @throws WireError `WIRE_BAD_PATH` */
  #add(asked: Asked): void {
    const at = this.#size + KEY_SIZE_BYTES;
    if (at + 2 * MAX_KEY_BYTES > this.#question.length) {
      this.#question = grown(this.#question, this.#size, at + 2 * MAX_KEY_BYTES);
    }
    const { path } = asked;
    const plain = typeof path === "string" ? encodePlainText(path, this.#question, at) : -1;
    const end = plain < 0 ? encodePathInto(toPath(path), this.#question, at) : plain;
    this.#question[this.#size] = (end - at) & 0xff;
    this.#question[this.#size + 1] = (end - at) >> 8;
    this.#size = end;
    const count = this.#asked.push(asked);
    if (count === 1) atEndOfTurn(this.#sendPart);
    else if (count >= MAX_ASKED) this.#send();
  }

  /** Where the hub has nothing to do yet, it is not to wait until all has been asked. */
  readonly #sendPart = (): void => {
    if (this.unanswered > 0 || this.#asked.length < 2 * MIN_PART) {
      this.#send();
      return;
    }
    const rest = this.#asked.splice(MIN_PART);
    const part = sizeOf(this.#question, MIN_PART);
    const keys = this.#question.slice(part, this.#size);
    this.#size = part;
    this.#send();
    this.#asked = rest;
    this.#question.set(keys);
    this.#size = keys.length;
    setImmediate(this.#send);
  };

  readonly #send = (): void => {
    const asked = this.#asked;
    if (asked.length === 0) return;
    const keys = this.#question.subarray(0, this.#size);
    this.#asked = [];
    this.#size = 0;
    const session = this.#options.session();
    if (session === undefined) {
      this.#askAlone(asked);
      return;
    }
    // Sent, or copied, before the next one takes the place of the keys.
    void this.#askTogether(session, keys, asked);
  };

  async #askTogether(
    session: HubSession,
    keys: Uint8Array,
    asked: readonly Asked[],
  ): Promise<void> {
    this.unanswered++;
    let rows: Uint8Array;
    try {
      rows = await sendQuestion(session, keys);
    } catch (error) {
      if (isLost(session, error)) this.#askAlone(asked);
      else for (const { reject } of asked) reject(error);
      return;
    } finally {
      this.unanswered--;
    }
    this.#take(asked, rows);
  }

  #take(asked: readonly Asked[], rows: Uint8Array): void {
    const row = new RowInPlace();
    let at = 0;
    for (const one of asked) {
      if (at >= rows.length && at > 0) {
        this.#add(one);
        continue;
      }
      const start = at + ROW_SIZE_BYTES;
      const size = start <= rows.length ? sizeAt(rows, at) : Infinity;
      at = start + size;
      if (at > rows.length)
        one.reject(new EngineError("ENGINE_UNAVAILABLE", "the hub's answer is cut off"));
      else if (size === 0) one.resolve(undefined);
      else settle(one, row.be(rows, size, one.path, start));
    }
  }

  #askAlone(asked: readonly Asked[]): void {
    for (const { path, read, resolve, reject } of asked) {
      const alone = async (): Promise<unknown> => {
        const entry = await this.#options.askAlone(toPath(path));
        return entry && read(inPlace(entry));
      };
      alone().then(resolve, reject);
    }
  }
}

function sendQuestion({ hub, bytes }: HubSession, keys: Uint8Array): PromiseLike<Uint8Array> {
  if (bytes === undefined) return hub.rows(keys);
  const answer = bytes.ask((writer) => {
    writer.u8(Ask.rows);
    writer.bytes(keys);
  });
  return answer as Promise<Uint8Array>;
}

function settle({ read, resolve, reject }: Asked, row: EntryInPlace): void {
  let value: unknown;
  try {
    value = read(row);
  } catch (error) {
    reject(error);
    return;
  }
  resolve(value);
}

/** Of the first `count` keys. */
function sizeOf(question: Uint8Array, count: number): number {
  let at = 0;
  for (let i = 0; i < count; i++) {
    at += KEY_SIZE_BYTES + (question[at] as number) + (question[at + 1] as number) * 0x1_00;
  }
  return at;
}
