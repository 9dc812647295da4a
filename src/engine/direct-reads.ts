/** Reads that cost less than a question each: those that need not wait, and those that wait together. */
import type { AbortOptions } from "../base/abort.ts";
import type { Path, PathElement, PathLike } from "../wire/path.ts";
import type { ListOptions, Revision } from "./engine.ts";

/**
 * An entry where it lies: its value is the bytes from `start` up to `end`. All of it is the reader's
 * only until it returns, the object too.
 */
export interface EntryInPlace {
  readonly path: Path;
  readonly revision: Revision;
  readonly author: string;
  readonly time: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Of the same bytes. */
  readonly view?: DataView;
}

/** What a direct read gives that can't be made: the engine has to be asked in the usual way. */
export const NOT_NOW: unique symbol = Symbol("banyan.notNow");

/** Some of a listing. */
export interface Page<T, Place> {
  readonly items: T[];
  /** Behind what the next page goes on; undefined at the end. */
  readonly after: Place | undefined;
}

/**
 * Reads without waiting, in a store that this process can see. Each sees the newest state there is,
 * and so every write that was acknowledged to anybody before it. What is given to `read` is valid
 * until it returns; it must not read anything else.
 */
export interface DirectReads {
  /**
   * What to wait for before the next read, where reads have had their share of this turn of the event
   * loop. Ask for the reads anew then.
   */
  readonly pause: Promise<void> | undefined;
  /** What `read` makes of the entry, and undefined where there is none; what it throws is thrown. */
  get<T>(path: PathLike, read: (entry: EntryInPlace) => T): T | undefined | typeof NOT_NOW;
  /** A page of `list`: of one state of the store. `read` must not throw. */
  page<T>(
    prefix: Path,
    options: Omit<ListOptions, keyof AbortOptions>,
    read: (entry: EntryInPlace) => T,
  ): Page<T, Path> | typeof NOT_NOW;
  /** A page of `children`: of one state of the store. `read` must not throw. */
  children<T>(
    path: Path,
    after: PathElement | undefined,
    read: (name: PathElement, entry: EntryInPlace | undefined) => T,
  ): Page<T, PathElement> | typeof NOT_NOW;
}

/** Reads that leave together, at the end of this turn of the event loop. */
export interface SoonReads {
  /** What `read` makes of the entry, and undefined where there is none; what it throws is thrown. */
  get<T>(
    path: PathLike,
    read: (entry: EntryInPlace) => T,
    options: AbortOptions,
  ): Promise<T | undefined>;
}
