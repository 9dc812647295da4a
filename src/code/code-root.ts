import type { AbortOptions } from "../base/abort.ts";
import { CodeError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import type { Revision } from "../engine/engine.ts";
import { checkTree } from "../tree/check-tree.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Path, PathLike } from "../wire/path.ts";
import { checkEntry, type CodeEntry, type CodeMode, modeName } from "./entry.ts";
import { CodeLibrary, type CodeLibraryOptions, LIBRARY_OPTIONS, notFound } from "./library.ts";
import type { NamedValues, Procedure } from "./procedure.ts";
import type { CodeSlot } from "./slots.ts";
import {
  addCode,
  type AddOptions,
  type AddResult,
  codePath,
  removeCode,
  type RemoveOptions,
} from "./store.ts";
import {
  type CallOptions,
  onlyInWorkers,
  type OpenWorkers,
  WorkerCalls,
  type WorkerOptions,
  WorkerProcedure,
} from "./worker-calls.ts";

/** A procedure as it is stored, with what is known of it. */
export interface CodeInfo {
  readonly path: Path;
  readonly code: string;
  readonly mode: CodeMode;
  readonly vars: readonly string[];
  /** Its version; `undefined` where it can't be run. */
  readonly key: string | undefined;
  /** What is wrong with it. */
  readonly error: string | undefined;
}

export interface CodeRootOptions extends CodeLibraryOptions {
  /**
   * Whether procedures are to be called here. False loads none of what they import, to look after
   * stored code without running any. Default true.
   */
  readonly evaluate?: boolean | undefined;
  /** Of the threads for procedures with `is_async: false`; they start when they are needed. */
  readonly workers?: WorkerOptions | undefined;
}

const ROOT_OPTIONS: OptionNames<CodeRootOptions> = {
  ...LIBRARY_OPTIONS,
  evaluate: true,
  workers: true,
};
const WORKER_OPTIONS: OptionNames<WorkerOptions> = {
  maxThreads: true,
  idleMs: true,
  memoryMb: true,
};

/**
 * The stored procedures of a tree, and the function that calls them:
 *
 * ```ts
 * const code = await CodeRoot.open(tree);
 * code("forty.two", 1, 2);
 * ```
 *
 * A procedure that is stored as inline returns its value; an async one, and one that runs in a worker, a
 * promise, also for what is wrong with the arguments. Calls see the version that is live when they begin, to their end.
 *
 * Calling throws CodeError `CODE_NOT_FOUND`, `CODE_ARGUMENTS` (before the body starts), `CODE_MODE`,
 * or, where it does not compile or link, an error of that code with the stored one as its cause. What
 * the code itself throws comes through as it is.
 *
 * In a worker (`is_async: false`) code may block. What a call is given crosses as a copy where it is
 * plain; functions, instances and what else has an identity are used there as if they were local, and
 * give what their promises settle with. The result is plain values, and objects that were given. A
 * call rejects with ExecutorError `EXECUTOR_LOST`, `EXECUTOR_MEMORY` where its thread ended.
 */
export interface CodeRoot extends AsyncDisposable {
  /** Calls a procedure; the values bind to its `vars` in order, surplus ones are `_args`. */
  (path: PathLike, ...values: unknown[]): unknown;
  /**
   * Calls it with values by name; names that are not in `vars` are visible as variables too. In a worker,
   * a signal ends the call, whatever its code does.
   */
  run(path: PathLike, named?: NamedValues, options?: CallOptions): unknown;
  /** Stores a procedure, if it compiles and links. See `addCode` for what it refuses. */
  add(path: PathLike, entry: CodeEntry, options?: AddOptions): Promise<AddResult>;
  /** What is stored, with `mode` by its name; `undefined` if there is nothing. */
  get(path: PathLike, options?: AbortOptions): Promise<CodeEntry | undefined>;
  /** All procedures, in the order of paths; also broken ones. */
  list(options?: AbortOptions): Promise<CodeInfo[]>;
  /** Deletes it; gives whether there was one. */
  remove(path: PathLike, options?: RemoveOptions): Promise<boolean>;
  /** Resolves when what had arrived, or the write of `revision`, is live here. */
  settled(revision?: Revision, options?: AbortOptions): Promise<void>;
  readonly library: CodeLibrary;
  /**
   * Ends it, and the library if it opened that itself. Calls that run go on, but for those in workers: they
   * have five seconds to end.
   */
  close(): Promise<void>;
}

/**
 * Follows the code of a tree, or uses a library that does. Resolves when all is ready to be called.
 * `openWorkers` makes what procedures run in whose code may block.
 */
export async function openCodeRoot(
  source: Tree | CodeLibrary,
  options: CodeRootOptions = {},
  openWorkers?: OpenWorkers,
): Promise<CodeRoot> {
  checkOptions(options, ROOT_OPTIONS, "CodeRoot.open");
  const { evaluate = true, workers: workerOptions = {}, ...rest } = options;
  checkOptions(workerOptions, WORKER_OPTIONS, "CodeRoot.open's workers");
  const library = await libraryOf(source, rest);
  if (evaluate) await library.activate();
  const workers =
    evaluate && openWorkers !== undefined
      ? new WorkerCalls(() => openWorkers(workerOptions), options.clock)
      : undefined;
  return makeRoot(library, { workers, evaluates: evaluate, ownsLibrary: source !== library });
}

async function libraryOf(
  source: Tree | CodeLibrary,
  options: CodeLibraryOptions,
): Promise<CodeLibrary> {
  if (source instanceof CodeLibrary) return source;
  checkTree(source, "CodeRoot.open");
  return CodeLibrary.open(source, options);
}

interface RootParts {
  readonly workers: WorkerCalls | undefined;
  readonly evaluates: boolean;
  readonly ownsLibrary: boolean;
}

function makeRoot(library: CodeLibrary, parts: RootParts): CodeRoot {
  const { workers, ownsLibrary } = parts;
  const caller = new Caller(library, parts);
  const close = async (): Promise<void> => {
    await workers?.close();
    if (ownsLibrary) await library.close();
  };
  return Object.assign((path: PathLike, ...values: unknown[]) => caller.call(path, values), {
    run: (path: PathLike, named: NamedValues = {}, options: CallOptions = {}) =>
      caller.run(path, named, options),
    add: async (path: PathLike, entry: CodeEntry, options: AddOptions = {}) =>
      addCode(library, at(path), entry, options),
    get: async (path: PathLike, options: AbortOptions = {}) => {
      checkOptions(options, ABORT_OPTIONS, "code.get");
      return getProcedure(library, at(path).path, options);
    },
    list: async (options: AbortOptions = {}) => {
      checkOptions(options, ABORT_OPTIONS, "code.list");
      return listProcedures(library, options);
    },
    remove: async (path: PathLike, options: RemoveOptions = {}) =>
      removeCode(library, at(path), options),
    settled: async (revision?: Revision, options: AbortOptions = {}) => {
      checkOptions(options, ABORT_OPTIONS, "code.settled");
      return library.settled(revision, options);
    },
    library,
    close,
    [Symbol.asyncDispose]: close,
  });
}

function at(path: PathLike): { readonly kind: "proc"; readonly path: Path } {
  return { kind: "proc", path: codePath(path) };
}

/** Finds procedures by what callers write, quickly. */
class Caller {
  readonly #library: CodeLibrary;
  readonly #workers: WorkerCalls | undefined;
  readonly #evaluates: boolean;
  /** By the text that was written; only while the slot has something in it. */
  readonly #known = new Map<string, CodeSlot>();

  constructor(library: CodeLibrary, { workers, evaluates }: RootParts) {
    this.#library = library;
    this.#workers = workers;
    this.#evaluates = evaluates;
  }

  call(path: PathLike, values: readonly unknown[]): unknown {
    const procedure = this.#find(path);
    if (procedure.isAsync === null) return procedure.call(values);
    try {
      return procedure.call(values);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  run(path: PathLike, named: NamedValues, options: CallOptions): unknown {
    checkOptions(options, ABORT_OPTIONS, "code.run");
    const procedure = this.#find(path);
    if (procedure instanceof WorkerProcedure) return procedure.runWith(checkNamed(named), options);
    if (options.signal !== undefined) throw onlyInWorkers(procedure);
    if (procedure.isAsync !== true) return procedure.run(checkNamed(named));
    try {
      return procedure.run(checkNamed(named));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #find(path: PathLike): Procedure {
    if (typeof path === "string") {
      const known = this.#known.get(path)?.procedure;
      if (known !== undefined) return known;
    }
    const checked = codePath(path);
    const slot = this.#library.slot(checked);
    if (slot?.isAsync === false) return this.#inWorker(checked, slot);
    if (slot?.procedure === undefined) throw this.#failure(checked, slot);
    if (typeof path === "string") this.#remember(path, slot);
    return slot.procedure;
  }

  #inWorker(path: Path, slot: CodeSlot): Procedure {
    if (this.#workers === undefined || slot.error !== undefined) throw this.#failure(path, slot);
    return this.#workers.procedure(this.#library, path);
  }

  #remember(text: string, slot: CodeSlot): void {
    // The slots of deleted code stay behind here, and texts that mean the same path.
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(text, slot);
  }

  #failure(path: Path, slot: CodeSlot | undefined): Error {
    if (slot === undefined) return notFound("proc", path);
    const name = formatPath(path);
    const { error, isAsync } = slot;
    const details = { kind: "proc", path: name };
    if (error !== undefined) {
      return new CodeError(error.code, `can't call ${name}: ${error.message}`, {
        cause: error,
        details: error.details,
      });
    }
    const why =
      isAsync === false && this.#evaluates
        ? "it runs in a worker (is_async: false), and there are none here"
        : "this root was opened without evaluating code";
    return new CodeError("CODE_MODE", `can't call ${name}: ${why}`, { details });
  }
}

const MAX_KNOWN = 10_000;

function checkNamed(named: NamedValues): NamedValues {
  if (typeof named === "object" && named !== null && !Array.isArray(named)) return named;
  throw new TypeError(`code.run takes an object of values by name, not ${kindOf(named)}`);
}

async function getProcedure(
  { tree }: CodeLibrary,
  path: Path,
  options: AbortOptions,
): Promise<CodeEntry | undefined> {
  const value = await tree.get(tree.system.proc.concat(path), options);
  if (value === undefined) return undefined;
  const { isAsync } = checkEntry("proc", formatPath(path), value);
  return { ...(value as CodeEntry), mode: modeName(isAsync) };
}

async function listProcedures(library: CodeLibrary, options: AbortOptions): Promise<CodeInfo[]> {
  const { tree } = library;
  await library.settled(undefined, options);
  const found: CodeInfo[] = [];
  for await (const { path, value } of tree.walk(tree.system.proc, options)) {
    const name = path.slice(tree.system.proc.length);
    if (name.length === 0) continue;
    found.push(describe(library, codePath(name), value));
  }
  return found;
}

function describe(library: CodeLibrary, path: Path, value: unknown): CodeInfo {
  const error = library.errorOf(path)?.message;
  const key = library.keyOf(path);
  try {
    const { code, isAsync, vars } = checkEntry("proc", formatPath(path), value);
    return { path, code, mode: modeName(isAsync), vars, key, error };
  } catch {
    return { path, code: "", mode: "inline", vars: [], key, error };
  }
}
