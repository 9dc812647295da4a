import type { CodeError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath, parsePath } from "../wire/path-text.ts";
import type { PathElement } from "../wire/path.ts";

const SUBSYSTEM = "compile";

/** Errors of one machine's run of the code, which another machine may not have. */
const LOCAL_CODES: ReadonlySet<unknown> = new Set([
  "CODE_LOAD",
  "CODE_LOAD_TIMEOUT",
  "CODE_EXTERNAL",
]);

export interface CodeErrorState {
  readonly error: CodeError;
  /** Which version is wrong, where it could be planned. */
  readonly key: string | undefined;
}

export type ErrorStates = ReadonlyMap<string, CodeErrorState>;

/**
 * Keeps the tree's error records in step with what is wrong with the stored code: subsystem
 * "compile", path `proc.<path>` or `module.<path>`. Writes one at a time, behind the code: that the
 * tree can't be written keeps nobody from running it.
 */
export class ErrorBook {
  readonly #tree: Tree;
  readonly #log: Log;
  #begun = false;
  /** By id, what was recorded. */
  readonly #recorded = new Map<string, string>();
  #writing: Promise<void> = Promise.resolve();
  readonly #controller = new AbortController();

  constructor(tree: Tree, log: Log) {
    this.#tree = tree;
    this.#log = log;
  }

  /**
   * Records what is new and resolves what is healed. The first time it also takes up what earlier
   * processes left open.
   */
  update(errors: ErrorStates, keyOf: (id: string) => string | undefined): void {
    this.#enqueue(async (signal) => {
      if (!this.#begun) await this.#takeUp(errors, keyOf, signal);
      this.#begun = true;
      for (const [id, state] of errors) {
        if (this.#recorded.get(id) === textOf(state)) continue;
        await this.#record(id, state, signal);
        this.#recorded.set(id, textOf(state));
      }
      for (const id of this.#recorded.keys()) {
        if (errors.has(id)) continue;
        await this.#tree.errors.working({ subsystem: SUBSYSTEM, path: pathOf(id), signal });
        this.#recorded.delete(id);
      }
    });
  }

  /** Resolves when everything up to here is written, or failed to be. */
  written(): Promise<void> {
    return this.#writing;
  }

  async close(): Promise<void> {
    this.#controller.abort();
    await this.#writing;
  }

  async #takeUp(
    errors: ErrorStates,
    keyOf: (id: string) => string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    for await (const record of this.#tree.errors.list({ subsystem: SUBSYSTEM, signal })) {
      const [kind, ...path] = record.path;
      const id = `${String(kind)}:${formatPath(path)}`;
      const state = errors.get(id);
      if (state !== undefined) {
        if (record.message === state.error.message) this.#recorded.set(id, textOf(state));
        continue;
      }
      // This very version may be wrong on another machine only: then it is not ours to resolve.
      const { key } = record.data;
      if (key !== undefined && key === keyOf(id)) continue;
      await this.#tree.errors.working({ subsystem: SUBSYSTEM, path: record.path, signal });
    }
  }

  async #record(id: string, { error, key }: CodeErrorState, signal: AbortSignal): Promise<void> {
    const { code, details } = error;
    const { frame, line, column, trace } = details;
    const local = LOCAL_CODES.has(code) ? { key } : {};
    const data = { code, line, column, frame, trace, ...local };
    const known = Object.entries(data).filter(([, value]) => value !== undefined);
    await this.#tree.errors.record({
      subsystem: SUBSYSTEM,
      path: pathOf(id),
      error,
      data: Object.fromEntries(known),
      // Each node that has the code sees it.
      once: true,
      signal,
    });
  }

  #enqueue(task: (signal: AbortSignal) => Promise<void>): void {
    const { signal } = this.#controller;
    this.#writing = this.#writing
      .then(() => (signal.aborted ? undefined : task(signal)))
      .catch((error: unknown) => {
        if (!signal.aborted)
          this.#log.warn("errors of stored code could not be recorded", { error });
      });
  }
}

function textOf({ error, key }: CodeErrorState): string {
  return `${error.code} ${key ?? ""} ${error.message}`;
}

function pathOf(id: string): PathElement[] {
  const colon = id.indexOf(":");
  return [id.slice(0, colon), ...parsePath(id.slice(colon + 1))];
}
