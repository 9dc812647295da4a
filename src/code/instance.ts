import { BanyanError, CodeError } from "../base/errors.ts";
import { evaluateBody, evaluateModule, type UnitContext } from "./evaluate.ts";
import { collectExports, makeNamespace, type Namespace } from "./namespace.ts";
import { BodyProcedure, ModuleProcedure, type Procedure } from "./procedure.ts";
import { cleanStack, findCodePlace } from "./source-url.ts";
import type { KeyedUnit, Unit } from "./unit.ts";

/** What an instance needs of the world around it. */
export interface InstanceHost {
  /** `import()` in stored code. */
  dynamicImport(spec: unknown, from: Instance, options: unknown): Promise<unknown>;
  /** `import.meta.resolve()`. */
  resolve(spec: string, from: Instance): string;
  /** Rejects after the time that a module may take to load; dispose of it to call that off. */
  loadLimit(unit: Unit): { readonly expired: Promise<never> } & Disposable;
  /** A callback of `import.meta.dispose()` threw. */
  onDisposeError(error: unknown, unit: Unit): void;
}

/** One version of one unit, evaluated once, with the state that its module has. */
export class Instance {
  readonly unit: Unit;
  readonly key: string;
  /** Never rejects: how it went is in `result`. */
  readonly settled: Promise<void>;
  readonly #host: InstanceHost;
  readonly #disposers: (() => unknown)[] = [];
  #namespace: Namespace = makeNamespace(new Map());
  #procedure: Procedure | undefined;
  #result: "loading" | "ready" | CodeError = "loading";
  #retired = false;

  /** `dependencies` gives the namespaces of what it imports, or throws why there are none. */
  constructor(
    { unit, key }: KeyedUnit,
    dependencies: () => Promise<readonly Namespace[]>,
    host: InstanceHost,
  ) {
    this.unit = unit;
    this.key = key;
    this.#host = host;
    this.settled = this.#load(dependencies);
  }

  get result(): "loading" | "ready" | CodeError {
    return this.#result;
  }

  get namespace(): Namespace {
    return this.#namespace;
  }

  /** For a procedure that is ready. */
  get procedure(): Procedure | undefined {
    return this.#procedure;
  }

  /** Calls what its module gave to `import.meta.dispose()`, once, the last first. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    for (const dispose of this.#disposers.splice(0).toReversed()) this.#dispose(dispose);
  }

  #dispose(dispose: () => unknown): void {
    const fail = (error: unknown): void => this.#host.onDisposeError(error, this.unit);
    try {
      Promise.resolve(dispose()).catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  async #load(dependencies: () => Promise<readonly Namespace[]>): Promise<void> {
    try {
      const namespaces = await dependencies();
      if (this.unit.form === "body") this.#makeBody(namespaces);
      else if (this.unit.form === "json") this.#setJson();
      else await this.#evaluate(namespaces);
      if (this.unit.kind === "proc") this.#makeProcedure();
      this.#result = "ready";
    } catch (error) {
      this.#result = isCodeError(error) ? error : loadError(this.unit, error);
    }
  }

  #makeBody(namespaces: readonly Namespace[]): void {
    const context = this.#context(namespaces);
    this.#procedure = new BodyProcedure(this, (extras) => evaluateBody(this, extras, context));
  }

  #setJson(): void {
    const value: unknown = JSON.parse(this.unit.body);
    this.#namespace = makeNamespace(new Map([["default", () => value]]));
  }

  async #evaluate(namespaces: readonly Namespace[]): Promise<void> {
    const { unit } = this;
    const stars = unit.stars.map((index) => namespaces[index] as Namespace);
    const setExports = (getters: readonly (() => unknown)[]): void => {
      this.#namespace = makeNamespace(collectExports(unit.exports, getters, stars));
    };
    // A module that exports nothing itself registers nothing.
    setExports([]);
    using limit = this.#host.loadLimit(unit);
    const context: UnitContext = { ...this.#context(namespaces), register: setExports };
    await Promise.race([evaluateModule(this, context), limit.expired]);
  }

  #makeProcedure(): void {
    if (this.unit.form !== "module") return;
    const main = this.#namespace["default"];
    if (typeof main !== "function") {
      const { name } = this.unit;
      throw new CodeError("CODE_UNSUPPORTED", `${name}: its default export is no function`, {
        details: { kind: "proc", path: name },
      });
    }
    this.#procedure = new ModuleProcedure(this, main as (...values: readonly unknown[]) => unknown);
  }

  #context(namespaces: readonly Namespace[]): Omit<UnitContext, "register"> {
    return {
      namespaces,
      dynamicImport: (spec, options) => this.#host.dynamicImport(spec, this, options),
      meta: Object.assign(Object.create(null) as object, {
        url: `tree:${this.unit.name}`,
        version: this.key,
        resolve: (spec: string) => this.#host.resolve(spec, this),
        dispose: (callback: () => unknown) => this.#addDisposer(callback),
      }),
    };
  }

  #addDisposer(callback: () => unknown): void {
    if (typeof callback !== "function")
      throw new TypeError("import.meta.dispose() takes a function");
    if (this.#retired) this.#dispose(callback);
    else this.#disposers.push(callback);
  }
}

function isCodeError(error: unknown): error is CodeError {
  return BanyanError.is(error) && error.code.startsWith("CODE_");
}

function loadError(unit: Unit, cause: unknown): CodeError {
  const { kind, name: path } = unit;
  const stack = cause instanceof Error && typeof cause.stack === "string" ? cause.stack : "";
  const place = findCodePlace(stack);
  const at = place?.name === path ? { line: place.line, column: place.column } : undefined;
  const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : `threw ${typeof cause}`;
  const where = at === undefined ? path : `${path}:${at.line}:${at.column}`;
  return new CodeError("CODE_LOAD", `${where}: at load: ${what}`, {
    cause,
    details: { kind, path, ...at, trace: cleanStack(stack) },
  });
}
