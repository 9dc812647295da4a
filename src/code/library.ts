import { type AbortOptions, onAbort } from "../base/abort.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { BanyanError, CodeError } from "../base/errors.ts";
import { type Log, silentLog } from "../base/log.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import type { Revision } from "../engine/engine.ts";
import type { Mirror } from "../tree/mirror.ts";
import { checkTree } from "../tree/check-tree.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath, toPath } from "../wire/path-text.ts";
import type { PathLike } from "../wire/path.ts";
import type { CheckedEntry } from "./entry.ts";
import { ErrorBook } from "./error-book.ts";
import { resolveBase } from "./external.ts";
import { planGraph } from "./graph.ts";
import { type CodeChanges, IncomingCode } from "./incoming.ts";
import { Linker } from "./link.ts";
import type { Namespace } from "./namespace.ts";
import { type CodeSlot, CodeSlots } from "./slots.ts";
import { readSource } from "./source.ts";
import {
  changesBetween,
  closureOf,
  type CodeSwitch,
  collectErrors,
  prepareStage,
  type Stage,
} from "./stage.ts";
import { type AsyncMode, type CodeKind, type Shipment, type Unit, unitId } from "./unit.ts";

export interface CodeLibraryOptions extends AbortOptions {
  /** The directory from which packages are imported, as a path or file URL. Default: the current. */
  readonly resolveFrom?: string | undefined;
  /** Changes that arrive within this time of each other are one step. Default 20. */
  readonly collectMs?: number | undefined;
  /** How long the top level of a module may take. Default 10,000. */
  readonly loadTimeoutMs?: number | undefined;
  /**
   * Goes on with the last version of an entry that worked where its new one is broken. Off by default:
   * a node that starts later does not have it, and then nodes differ. It does not help code of which
   * something else changed, as a module that now lacks an export.
   */
  readonly keepLastGood?: boolean | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
}

export const LIBRARY_OPTIONS: OptionNames<CodeLibraryOptions> = {
  ...ABORT_OPTIONS,
  resolveFrom: true,
  collectMs: true,
  loadTimeoutMs: true,
  keepLastGood: true,
  clock: true,
  log: true,
};

/** Compiling a whole tree must not keep a node from its heartbeats. */
const MAX_BLOCKED_MS = 10;

/**
 * The stored code of a tree, compiled, linked and followed.
 *
 * Changes are collected, prepared aside and switched in one synchronous step: nobody ever sees half
 * of them, and running calls go on with what they began with. What is wrong is recorded in the tree's
 * error records and heals by itself; it never harms other entries, whatever is stored.
 *
 * Nothing stored is evaluated on this thread before `activate()`, which `CodeRoot` calls, or
 * `importModule()`: a library that only ships code to other threads runs none.
 */
export class CodeLibrary implements AsyncDisposable {
  readonly tree: Tree;
  /** Resolves with the error, if it can't follow the stored code any more. */
  readonly failed: Promise<unknown>;
  readonly #failed = deferred<unknown>();
  readonly #mirror: Mirror;
  readonly #compile: (entry: CheckedEntry) => Unit;
  readonly #linker: Linker;
  readonly #book: ErrorBook;
  readonly #options: CodeLibraryOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #resolveFrom: string;
  readonly #listeners = new Set<{ readonly call: (changed: CodeSwitch) => void }>();
  readonly #incoming: IncomingCode;
  readonly #slots = new CodeSlots();
  readonly #wantedModules = new Set<string>();
  /** By id, the last version with which nothing was wrong; kept with `keepLastGood` only. */
  readonly #good = new Map<string, Unit>();
  #stage: Stage;
  #active = false;
  #closed = false;
  /** One update after the other. Never rejects. */
  #tail: Promise<void> = Promise.resolve();

  private constructor(
    tree: Tree,
    mirror: Mirror,
    compile: (entry: CheckedEntry) => Unit,
    options: CodeLibraryOptions,
  ) {
    this.tree = tree;
    this.failed = this.#failed.promise;
    this.#mirror = mirror;
    this.#compile = compile;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#resolveFrom = resolveBase(options.resolveFrom ?? process.cwd());
    this.#linker = new Linker({
      resolveFrom: this.#resolveFrom,
      loadTimeoutMs: options.loadTimeoutMs ?? 10_000,
      clock: this.#clock,
      log: this.#log,
    });
    this.#book = new ErrorBook(tree, this.#log);
    const generation = this.#linker.generation(new Map());
    const plan = planGraph(new Map());
    this.#stage = { sources: new Map(), plan, generation, errors: new Map() };
    this.#incoming = new IncomingCode(mirror, {
      clock: this.#clock,
      collectMs: options.collectMs ?? 20,
      onChanges: (changes) => this.#enqueue(changes),
    });
    void this.#watchEnd();
  }

  /** Resolves when the code that is there is compiled and linked. The tree stays its caller's. */
  static async open(tree: Tree, options: CodeLibraryOptions = {}): Promise<CodeLibrary> {
    checkTree(tree, "CodeLibrary.open");
    checkOptions(options, LIBRARY_OPTIONS, "CodeLibrary.open");
    // Loaded when it is needed: the tool chain is 30 MB that a process without code does without.
    const { compile } = await import("./compile.ts");
    // The caller's signal is for opening; the mirror's would end it later too.
    const opening = new AbortController();
    const { signal } = options;
    using _ = signal && onAbort(signal, () => opening.abort(signal.reason));
    const mirror = await tree.mirror(tree.system.code, { signal: opening.signal });
    const library = new CodeLibrary(tree, mirror, compile, options);
    await library.settled();
    return library;
  }

  /**
   * The version of a procedure: it changes when the procedure, or anything it imports, does.
   * `undefined` where there is none that can be run.
   */
  keyOf(path: PathLike, kind: CodeKind = "proc"): string | undefined {
    return this.#stage.plan.units.get(idOf(kind, path))?.key;
  }

  /** How a procedure is stored to run; null also where there is none. */
  modeOf(path: PathLike): AsyncMode {
    return this.#stage.plan.units.get(idOf("proc", path))?.unit.isAsync ?? null;
  }

  /** What is wrong with it; with `keepLastGood` it may be usable all the same. */
  errorOf(path: PathLike, kind: CodeKind = "proc"): CodeError | undefined {
    return this.#stage.errors.get(idOf(kind, path));
  }

  /** How many units are evaluated or being so; for tests and figures. */
  get alive(): number {
    return this.#linker.size;
  }

  /** The stored modules that import this one. */
  usersOf(path: PathLike): readonly string[] {
    const name = formatPath(toPath(path));
    const users: string[] = [];
    for (const { compiled } of this.#stage.sources.values()) {
      if (BanyanError.is(compiled)) continue;
      if (compiled.imports.some(({ module }) => module === name)) users.push(compiled.name);
    }
    return users.sort();
  }

  /**
   * What another thread needs to run this procedure, or import this module: plain values.
   *
   * @throws CodeError `CODE_NOT_FOUND`, or what is wrong with it
   */
  shipment(path: PathLike, kind: CodeKind = "proc"): Shipment {
    const id = idOf(kind, path);
    const { units, errors } = this.#stage.plan;
    const keyed = units.get(id);
    if (keyed === undefined) throw errors.get(id) ?? notFound(kind, path);
    return { id, key: keyed.key, units: closureOf(id, units), resolveFrom: this.#resolveFrom };
  }

  /** Calls `listener` in each switch, when the new code is live. It must not throw. */
  onSwitch(listener: (changed: CodeSwitch) => void): Disposable {
    const entry = { call: listener };
    this.#listeners.add(entry);
    return { [Symbol.dispose]: () => void this.#listeners.delete(entry) };
  }

  /**
   * Resolves when everything that had arrived is live; with a revision of a write to the stored code,
   * when that write is.
   */
  async settled(revision?: Revision, options: AbortOptions = {}): Promise<void> {
    if (revision !== undefined) await this.#mirror.waitFor(revision, options);
    this.#incoming.flush();
    await this.#tail;
  }

  /** Resolves when the error records say what is wrong at the moment, or could not be written. */
  async recorded(): Promise<void> {
    await this.settled();
    await this.#book.written();
  }

  /** Evaluates what procedures import, now and with every change, so that they can be called here. */
  async activate(): Promise<void> {
    if (this.#active) return;
    this.#active = true;
    this.#enqueue(new Map());
    await this.#tail;
  }

  /** For `CodeRoot`. */
  slot(path: PathLike): CodeSlot | undefined {
    return this.#slots.get(formatPath(toPath(path)));
  }

  /**
   * Evaluates a module here if it is not, and keeps it in step from then on.
   *
   * @throws CodeError `CODE_NOT_FOUND`, or what is wrong with it
   */
  async importModule(path: PathLike): Promise<() => Namespace> {
    const id = idOf("module", path);
    await this.settled();
    this.#wantedModules.add(id);
    const { generation, plan } = this.#stage;
    if (!plan.units.has(id)) throw plan.errors.get(id) ?? notFound("module", path);
    try {
      await generation.load(id);
    } finally {
      this.#refreshErrors();
    }
    return () => {
      const found = this.#stage.generation.peek(id);
      if (found !== undefined && !BanyanError.is(found)) return found.namespace;
      throw found ?? this.#stage.errors.get(id) ?? notFound("module", path);
    };
  }

  /**
   * Compiles and links an entry as if it were stored, without evaluating anything.
   *
   * @throws CodeError what is wrong with it itself, when it does not compile
   */
  check(entry: CheckedEntry): { readonly unit: Unit; readonly error: CodeError | undefined } {
    const unit = this.#compile(entry);
    const id = unitId(entry.kind, entry.name);
    const sources = new Map(this.#stage.sources);
    sources.set(id, { text: entry.code, compiled: unit });
    return { unit, error: planGraph(sources).errors.get(id) };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#incoming[Symbol.dispose]();
    await this.#mirror.close();
    await this.#book.close();
    await this.#tail;
    this.#stage.generation.close();
    this.#slots.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #watchEnd(): Promise<void> {
    const error = await this.#mirror.closed;
    if (error === undefined) return;
    this.#log.error("stored code is followed no more", { error });
    this.#failed.resolve(error);
  }

  #enqueue(changes: CodeChanges): void {
    this.#tail = this.#tail
      .then(() => (this.#closed ? undefined : this.#update(changes)))
      .catch((error: unknown) => {
        this.#log.error("an update of stored code failed", { error });
      });
  }

  async #update(changes: CodeChanges): Promise<void> {
    const sources = new Map(this.#stage.sources);
    let began = this.#clock.now();
    for (const [id, entry] of changes) {
      if (entry === undefined) sources.delete(id);
      else sources.set(id, readSource(id, entry, this.#compile));
      if (this.#clock.now() - began < MAX_BLOCKED_MS) continue;
      await new Promise((resolve) => void setImmediate(resolve));
      began = this.#clock.now();
    }
    const stage = await prepareStage(sources, {
      linker: this.#linker,
      wants: ({ unit }) =>
        unit.kind === "proc"
          ? this.#active && unit.isAsync !== false
          : this.#wantedModules.has(unitId("module", unit.name)),
      previous: this.#stage.generation,
      lastGood: (id) => this.#good.get(id),
    });
    if (this.#closed) stage.generation.close();
    else this.#switch(stage);
  }

  /** The one step in which everybody sees the new code. Nothing in it may wait. */
  #switch(next: Stage): void {
    const before = this.#stage;
    // What was evaluated while the stage was prepared.
    next.generation.adopt(before.generation);
    this.#stage = next;
    this.#linker.current = next.generation;
    this.#slots.fill(next);
    if (this.#options.keepLastGood === true) this.#keepGood(next);
    const changed = changesBetween(before, next);
    for (const listener of this.#listeners) {
      try {
        listener.call(changed);
      } catch (error) {
        this.#log.error("a listener of stored code threw", { error });
      }
    }
    // Only now: what it retires may call back.
    before.generation.close();
    this.#recordErrors();
  }

  #keepGood({ sources, plan, errors }: Stage): void {
    for (const id of this.#good.keys()) if (!sources.has(id)) this.#good.delete(id);
    for (const [id, { unit }] of plan.units) if (!errors.has(id)) this.#good.set(id, unit);
  }

  #refreshErrors(): void {
    const { plan, generation } = this.#stage;
    const errors = new Map([...this.#stage.errors, ...collectErrors(plan, generation)]);
    this.#stage = { ...this.#stage, errors };
    this.#recordErrors();
  }

  #recordErrors(): void {
    const { errors, plan } = this.#stage;
    const keyOf = (id: string): string | undefined => plan.units.get(id)?.key;
    const states = [...errors].map(([id, error]) => [id, { error, key: keyOf(id) }] as const);
    this.#book.update(new Map(states), keyOf);
  }
}

function idOf(kind: CodeKind, path: PathLike): string {
  return unitId(kind, formatPath(toPath(path)));
}

/** For callers of what is not there. */
export function notFound(kind: CodeKind, path: PathLike): CodeError {
  const name = formatPath(toPath(path));
  const what = kind === "proc" ? "procedure" : "module";
  return new CodeError("CODE_NOT_FOUND", `there is no ${what} "${name}"`, {
    details: { kind, path: name },
  });
}
