import type { Reader } from "../wire/reader.ts";
import type { Writer } from "../wire/writer.ts";

/** Both sides apply the same rules, so that they number the same names. */
const MAX_NAMES = 4_096;
const MAX_NAME_LENGTH = 64;

/**
 * The names this side has sent. A name crosses as text once in a session, behind a 0, and as a number
 * from then on. Long names and array indexes are never numbered, nor is anything once the table is
 * full.
 */
export class SentNames {
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];

  /** How many there are: what `rewind` takes. */
  get size(): number {
    return this.#names.length;
  }

  write(writer: Writer, name: string): void {
    const number = this.#numbers.get(name);
    if (number !== undefined) {
      writer.varint(number);
      return;
    }
    writer.u8(0);
    writer.string(name);
    if (this.size < MAX_NAMES && isNumbered(name)) {
      this.#names.push(name);
      this.#numbers.set(name, this.#names.length);
    }
  }

  /** Forgets the names that were added since there were `size`: their frame was not sent. */
  rewind(size: number): void {
    for (const name of this.#names.splice(size)) this.#numbers.delete(name);
  }
}

/** The names the peer has sent. */
export class ReceivedNames {
  readonly #names: string[] = [];

  /** `undefined` for a number that was never given out. */
  read(reader: Reader): string | undefined {
    const number = reader.varint();
    if (number > 0) return this.#names[number - 1];
    const name = reader.string();
    if (this.#names.length < MAX_NAMES && isNumbered(name)) this.#names.push(name);
    return name;
  }
}

function isNumbered(name: string): boolean {
  if (name.length > MAX_NAME_LENGTH) return false;
  const first = name.charCodeAt(0);
  return !(first >= 0x30 && first <= 0x39);
}
