import type { AbortOptions } from "../base/abort.ts";
import { ABORT_OPTIONS, checkOptions } from "../base/options.ts";
import { type Engine, type EngineEntry, type EntryInPlace, NOT_NOW } from "../engine/engine.ts";
import { toPath } from "../wire/path-text.ts";
import type { PathLike } from "../wire/path.ts";
import { entryInPlace, toTreeEntry, type TreeEntry, valueInPlace, valueOf } from "./entry.ts";

/** What is made of an entry, wherever it is read. */
interface ReadKind<T> {
  /** What the options are of. */
  readonly of: string;
  readonly near: (stored: EntryInPlace) => T;
  readonly far: (stored: EngineEntry) => T;
}

export const VALUE: ReadKind<unknown> = {
  of: "tree.get",
  near: valueInPlace,
  far: (stored) => valueOf(toTreeEntry(stored)),
};

export const ENTRY: ReadKind<TreeEntry> = {
  of: "tree.entry",
  near: entryInPlace,
  far: toTreeEntry,
};

/** A tree's reads of single entries: in place, together with others, or each by a question to the engine. */
export class Reads {
  readonly #engine: () => Engine;

  /** `engine` gives it, and throws where it may not be used any more. */
  constructor(engine: () => Engine) {
    this.#engine = engine;
  }

  /** Never throws. Most reads need no more than one promise, which an `async` function would triple. */
  get<T>(path: PathLike, options: AbortOptions, kind: ReadKind<T>): Promise<T | undefined> {
    try {
      checkOptions(options, ABORT_OPTIONS, kind.of);
      const engine = this.#engine();
      const { direct } = engine;
      if (direct === undefined) {
        return engine.soon?.get(path, kind.near, options) ?? this.#far(path, options, kind);
      }
      if (direct.pause !== undefined) return this.#later(path, options, kind);
      options.signal?.throwIfAborted();
      const near = direct.get(typeof path === "string" ? path : toPath(path), kind.near);
      return near === NOT_NOW ? this.#far(path, options, kind) : Promise.resolve(near);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Reads in place take turns with everything else. */
  async #later<T>(
    path: PathLike,
    options: AbortOptions,
    kind: ReadKind<T>,
  ): Promise<T | undefined> {
    for (;;) {
      const pause = this.#engine().direct?.pause;
      if (pause === undefined) return this.get(path, options, kind);
      await pause;
    }
  }

  async #far<T>(
    path: PathLike,
    options: AbortOptions,
    { far }: ReadKind<T>,
  ): Promise<T | undefined> {
    const stored = await this.#engine().get(toPath(path), options);
    return stored && far(stored);
  }
}
