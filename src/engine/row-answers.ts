/**
 * Many reads in one question to a hub and one answer: all that a turn of the event loop asks for costs the
 * session between them hardly more than one read.
 *
 * The question has, for each entry, the size of its key in two bytes and the key. The answer has, in the same
 * order, the size of its row in four bytes and the row, as in `entry-row.ts`; 0 where there is none. It may
 * end early, where it would become too large: what it leaves out is to be asked again.
 */
import { deferred } from "../base/deferred.ts";
import { PATH_LIMITS } from "../wire/path.ts";

/** Reads of entries as bytes, for those who may see all of them. */
export interface RowReads {
  /** The row of the entry whose key is these bytes from `start` up to `end`; valid until anything else is read. */
  row(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined;
}

/** After so many bytes an answer ends. */
const MAX_ANSWER_BYTES = 1024 * 1024;
export const KEY_SIZE_BYTES = 2;
export const ROW_SIZE_BYTES = 4;
/** What is kept for the answers to come, unless a larger one is needed. */
const SCRATCH_BYTES = 64 * 1024;

let scratch = new Uint8Array(SCRATCH_BYTES);

/** A question so long is worth a turn of its own. */
const MIN_OWN_TURN_BYTES = 128;

/**
 * Answers of one client's questions, of the long ones one in each turn of the event loop: what is sent in a turn
 * leaves at its end, and the client is to work at one answer while the hub works at the next. Two that came
 * together would leave together, and so would all that follow them, with one side waiting for the other.
 */
export class RowAnswers {
  readonly #waiting: (() => void)[] = [];
  /** The turn has its long answer. */
  #isTaken = false;

  /** @throws as `answerRows` */
  give(rows: RowReads, question: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (question.length < MIN_OWN_TURN_BYTES && this.#waiting.length === 0) {
      return answerRows(rows, question);
    }
    if (!this.#isTaken) {
      this.#isTaken = true;
      setImmediate(this.#next);
      return answerRows(rows, question);
    }
    const answer = deferred<Uint8Array>();
    this.#waiting.push(() => {
      try {
        answer.resolve(answerRows(rows, question));
      } catch (error) {
        answer.reject(error);
      }
    });
    return answer.promise;
  }

  readonly #next = (): void => {
    const answer = this.#waiting.shift();
    this.#isTaken = answer !== undefined;
    if (answer === undefined) return;
    setImmediate(this.#next);
    answer();
  };
}

/** What a hub answers. @throws TypeError for what is no question */
export function answerRows(rows: RowReads, question: Uint8Array): Uint8Array {
  let at = 0;
  for (let from = 0; from < question.length && at < MAX_ANSWER_BYTES;) {
    const size = (question[from] as number) + (question[from + 1] ?? Number.NaN) * 0x1_00;
    const start = from + KEY_SIZE_BYTES;
    from = start + size;
    // Written so that what is no number is refused, too.
    if (!(size <= PATH_LIMITS.maxEncodedBytes && from <= question.length)) {
      throw new TypeError("the question is cut off, or holds what is no key");
    }
    const found = rows.row(question, start, from);
    const length = found?.length ?? 0;
    const end = at + ROW_SIZE_BYTES + length;
    if (end > scratch.length) scratch = grown(scratch, at, end);
    putSize(scratch, at, length);
    if (found !== undefined) scratch.set(found, at + ROW_SIZE_BYTES);
    at = end;
  }
  const answer = scratch.slice(0, at);
  // What grew for large values is not kept for the next.
  if (scratch.length > 2 * MAX_ANSWER_BYTES) scratch = new Uint8Array(SCRATCH_BYTES);
  return answer;
}

/** The size of a row that is named there. @throws RangeError where the answer is cut off */
export function sizeAt(bytes: Uint8Array, at: number): number {
  let size = 0;
  for (let i = ROW_SIZE_BYTES - 1; i >= 0; i--) size = size * 0x1_00 + (bytes[at + i] as number);
  return size;
}

/** The same bytes in a larger place: `used` of them, in one of `needed` at least. */
export function grown(bytes: Uint8Array, used: number, needed: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(needed, 2 * bytes.length));
  larger.set(bytes.subarray(0, used));
  return larger;
}

function putSize(target: Uint8Array, at: number, size: number): void {
  for (let i = 0; i < ROW_SIZE_BYTES; i++) target[at + i] = (size >>> (8 * i)) & 0xff;
}
