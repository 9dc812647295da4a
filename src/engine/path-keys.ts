import { decodePath, encodePath } from "../wire/path-key.ts";
import { Path, type PathElement } from "../wire/path.ts";
import { decodeAscii } from "../wire/text.ts";

const TAG_STRING = 0x30;
/** Longer names are left to the general way. */
const MAX_NAME_BYTES = 64;

/**
 * Paths of keys that come in order: mostly the next differs from the last in its last name alone, and
 * then nothing else is decoded.
 */
export class PathKeys {
  /** The last path that was read. */
  last: Path = Path.root;
  /** The key of its parent, so many bytes of it. */
  readonly #prefix = new Uint8Array(1024);
  #prefixLength = -1;
  #parent: readonly PathElement[] = [];

  /** The path whose key lies from `start` to `end`. @throws WireError `WIRE_BAD_PATH` */
  read(source: Uint8Array, start: number, end: number): Path {
    this.last = this.#sibling(source, start, end) ?? this.#decode(source.slice(start, end));
    return this.last;
  }

  #sibling(source: Uint8Array, start: number, end: number): Path | undefined {
    const nameAt = start + this.#prefixLength;
    // A tag, something, and the zero behind it.
    if (this.#prefixLength < 0 || end - nameAt < 2 || end - nameAt > MAX_NAME_BYTES)
      return undefined;
    if (source[nameAt] !== TAG_STRING || source[end - 1] !== 0) return undefined;
    for (let i = 0; i < this.#prefixLength; i++) {
      if (source[start + i] !== this.#prefix[i]) return undefined;
    }
    for (let at = nameAt + 1; at < end - 1; at++) {
      // The end of one element and the beginning of another, or a zero inside.
      if (source[at] === 0) return undefined;
    }
    const name = decodeAscii(source, nameAt + 1, end - 1);
    return name === undefined ? undefined : Path.below(this.#parent, name);
  }

  #decode(key: Uint8Array): Path {
    const path = decodePath(key);
    const name = path.at(-1);
    this.#prefixLength = -1;
    if (typeof name !== "string") return path;
    this.#parent = path.slice(0, -1);
    const parent = encodePath(this.#parent);
    this.#prefixLength = parent.length;
    this.#prefix.set(parent);
    return path;
  }
}
