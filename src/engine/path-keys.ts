import { EngineError } from "../base/errors.ts";
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
  /** So many bytes at the beginning of the last key are those of its parent; -1 where they are not known. */
  #shared = -1;
  readonly #prefix = new Uint8Array(1024);
  #parent: readonly PathElement[] = [];

  /** The path whose key lies from `start` to `end`. @throws EngineError `ENGINE_CORRUPT` for what is none */
  read(source: Uint8Array, start: number, end: number): Path {
    return this.#sibling(source, start, end) ?? this.#decode(source.slice(start, end));
  }

  #sibling(source: Uint8Array, start: number, end: number): Path | undefined {
    const shared = this.#shared;
    const nameAt = start + shared;
    // A tag, something, and the zero behind it.
    if (shared < 0 || end - nameAt < 2 || end - nameAt > MAX_NAME_BYTES) return undefined;
    if (source[nameAt] !== TAG_STRING || source[end - 1] !== 0) return undefined;
    const prefix = this.#prefix;
    // From behind: what differs, differs there.
    for (let i = shared - 1; i >= 0; i--) {
      if (source[start + i] !== prefix[i]) return undefined;
    }
    // A zero would be the end of one element and the beginning of another, or a zero inside.
    const name = decodeAscii(source, nameAt + 1, end - 1);
    return name === undefined ? undefined : Path.below(this.#parent, name);
  }

  #decode(key: Uint8Array): Path {
    const path = pathOf(key);
    const name = path.at(-1);
    this.#shared = -1;
    if (typeof name !== "string") return path;
    this.#parent = path.slice(0, -1);
    const parent = encodePath(this.#parent);
    this.#shared = parent.length;
    this.#prefix.set(parent);
    return path;
  }
}

/** It is in the store, and nobody has asked for it: that it is no path is not the fault of who reads. */
function pathOf(key: Uint8Array): Path {
  try {
    return decodePath(key);
  } catch (cause) {
    throw new EngineError("ENGINE_CORRUPT", "a key of the store is no path", { cause });
  }
}
