/**
 * Runs compiled units without the tool chain: what a lane's thread does with a shipment, and what the
 * library does with a whole tree of them.
 *
 * A generation is one consistent state of the code. Instances are shared between generations where
 * unit and key are the same, and belong to all that hold them; one that nobody holds is retired.
 * Code that still runs goes on with what it imported: nothing is taken away from it.
 */
import type { Clock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { CodeError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { bindExternal, importExternal, resolveExternal } from "./external.ts";
import { blockedError } from "./graph.ts";
import { Instance, type InstanceHost } from "./instance.ts";
import type { Namespace } from "./namespace.ts";
import type { Procedure } from "./procedure.ts";
import { moduleOfSpecifier } from "./specifier.ts";
import { type KeyedUnit, type Shipment, type Unit, type UnitImport, unitId } from "./unit.ts";

export interface LinkerOptions {
  /** The URL that packages are resolved from: `resolveBase(directory)`. */
  readonly resolveFrom: string;
  /** How long a module's own top level may take, its awaits included. */
  readonly loadTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** A shipment that is ready to run. Close it when the run is over. */
export interface OpenShipment extends Disposable {
  /** @throws TypeError if what was shipped is a module */
  readonly procedure: Procedure;
  readonly namespace: Namespace;
}

/** Holds the instances of one thread. */
export class Linker {
  readonly #options: LinkerOptions;
  /** By `id@key`; only those that a generation holds. */
  readonly #instances = new Map<string, Instance>();
  readonly #holders = new Map<Instance, Set<Generation>>();
  readonly #host: InstanceHost;
  /** What code imports dynamically whose own generation is gone. */
  current: Generation | undefined;

  constructor(options: LinkerOptions) {
    this.#options = options;
    this.#host = {
      dynamicImport: (spec, from, more) => this.#dynamicImport(spec, from, more),
      resolve: (spec, from) => this.#resolve(spec, from),
      loadLimit: (unit) => this.#loadLimit(unit),
      onDisposeError: (error, unit) => {
        options.log.warn("import.meta.dispose failed", { module: unit.name, error });
      },
    };
  }

  /** How many instances are alive; for tests and figures. */
  get size(): number {
    return this.#instances.size;
  }

  /** A generation of these units, of which nothing is evaluated before it is asked for. */
  generation(units: ReadonlyMap<string, KeyedUnit>): Generation {
    return new Generation(units, this);
  }

  /**
   * Evaluates a shipment, or takes what is evaluated already.
   *
   * @throws CodeError what is wrong with it or with what it imports
   */
  async open(shipment: Shipment): Promise<OpenShipment> {
    const units = new Map(shipment.units.map((it) => [unitId(it.unit.kind, it.unit.name), it]));
    const generation = this.generation(units);
    try {
      const { procedure, namespace } = await generation.load(shipment.id);
      return {
        get procedure(): Procedure {
          if (procedure === undefined) throw new TypeError(`${shipment.id} is no procedure`);
          return procedure;
        },
        namespace,
        [Symbol.dispose]: () => generation.close(),
      };
    } catch (error) {
      generation.close();
      throw error;
    }
  }

  /** For generations: the instance of that unit and key, which `holder` then holds. */
  hold(
    id: string,
    keyed: KeyedUnit,
    holder: Generation,
    dependencies: () => Promise<readonly Namespace[]>,
  ): Instance {
    const slot = `${id}@${keyed.key}`;
    let instance = this.#instances.get(slot);
    if (instance === undefined) {
      instance = new Instance(keyed, dependencies, this.#host);
      this.#instances.set(slot, instance);
      this.#holders.set(instance, new Set());
    }
    this.#holders.get(instance)?.add(holder);
    return instance;
  }

  /** For generations: `holder` lets it go, and the last to do so retires it. */
  drop(instance: Instance, holder: Generation): void {
    const holders = this.#holders.get(instance);
    holders?.delete(holder);
    if (holders === undefined || holders.size > 0) return;
    this.#holders.delete(instance);
    this.#instances.delete(`${unitId(instance.unit.kind, instance.unit.name)}@${instance.key}`);
    instance.retire();
  }

  /** @throws CodeError `CODE_EXTERNAL`, `CODE_MISSING_EXPORT` */
  async external(unit: Unit, dependency: UnitImport): Promise<Namespace> {
    const { spec, json, place } = dependency;
    const at = `${unit.name}:${place.line}:${place.column}`;
    const details = { kind: unit.kind, path: unit.name, ...place, package: spec };
    let native: Namespace;
    try {
      native = await importExternal(spec, this.#options.resolveFrom, json);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const message = `${at}: can't import "${spec}": ${why}`;
      throw new CodeError("CODE_EXTERNAL", message, { cause, details });
    }
    const bound = bindExternal(native, dependency);
    if ("namespace" in bound) return bound.namespace;
    const message = `${at}: "${spec}" does not export "${bound.missing}", imported by ${unit.name}`;
    throw new CodeError("CODE_MISSING_EXPORT", message, { details });
  }

  async #dynamicImport(spec: unknown, from: Instance, options: unknown): Promise<unknown> {
    const text = String(spec);
    const module = moduleOfSpecifier(text, from.unit.name);
    if (module === undefined) {
      const attributes = (options as { with?: { type?: unknown } } | undefined)?.with;
      return importExternal(text, this.#options.resolveFrom, attributes?.type === "json");
    }
    // The oldest is the one that is live: a newer one may still be in preparation.
    const [holder = this.current] = this.#holders.get(from) ?? [];
    if (holder === undefined) throw missingModule(module, from.unit);
    const { namespace } = await holder.load(unitId("module", module), from.unit);
    return namespace;
  }

  #resolve(spec: string, from: Instance): string {
    const module = moduleOfSpecifier(spec, from.unit.name);
    return module === undefined
      ? resolveExternal(spec, this.#options.resolveFrom)
      : `tree:${module}`;
  }

  #loadLimit(unit: Unit): { readonly expired: Promise<never> } & Disposable {
    const { clock, loadTimeoutMs } = this.#options;
    const { promise, reject } = deferred<never>();
    const { kind, name: path } = unit;
    const timer = clock.after(loadTimeoutMs, () => {
      const message = `${path}: it did not finish loading within ${loadTimeoutMs} ms`;
      reject(new CodeError("CODE_LOAD_TIMEOUT", message, { details: { kind, path } }));
    });
    return { expired: promise, [Symbol.dispose]: () => timer[Symbol.dispose]() };
  }
}

/** One consistent state of the code. Evaluates what it is asked for, each instance once. */
export class Generation {
  readonly units: ReadonlyMap<string, KeyedUnit>;
  readonly #linker: Linker;
  readonly #held = new Map<string, Instance>();
  #closing = false;
  #closed = false;

  constructor(units: ReadonlyMap<string, KeyedUnit>, linker: Linker) {
    this.units = units;
    this.#linker = linker;
  }

  /**
   * The instance, ready.
   *
   * @throws CodeError why it can't be used; `CODE_MISSING_MODULE` for an id that is not in `units`
   */
  async load(id: string, importer?: Unit): Promise<Instance> {
    const keyed = this.units.get(id);
    if (keyed === undefined || this.#closed) throw missingModule(id.replace(/^\w+:/, ""), importer);
    const instance = this.#hold(id, keyed);
    await instance.settled;
    const { result } = instance;
    if (result instanceof Error) throw result;
    return instance;
  }

  /** What `load` found; `undefined` where it was not asked or is not done. */
  peek(id: string): Instance | CodeError | undefined {
    const instance = this.#held.get(id);
    if (instance === undefined || instance.result === "loading") return undefined;
    return instance.result === "ready" ? instance : instance.result;
  }

  /** The ids that it holds. */
  get held(): Iterable<string> {
    return this.#held.keys();
  }

  /** Keeps alive what `previous` holds and this one has too. Synchronous. */
  adopt(previous: Generation): void {
    for (const [id, instance] of previous.#held) {
      const keyed = this.units.get(id);
      if (keyed?.key === instance.key) this.#hold(id, keyed);
    }
  }

  /**
   * Lets everything go, synchronously; idempotent. What is just being loaded, which somebody else may
   * share, is let go when it is done.
   */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (this.#isLoading()) void this.#drain();
    else this.#dropAll();
  }

  async #drain(): Promise<void> {
    while (this.#isLoading()) {
      await Promise.all([...this.#held.values()].map(({ settled }) => settled));
    }
    this.#dropAll();
  }

  #isLoading(): boolean {
    return [...this.#held.values()].some(({ result }) => result === "loading");
  }

  #dropAll(): void {
    this.#closed = true;
    for (const instance of this.#held.values()) this.#linker.drop(instance, this);
    this.#held.clear();
  }

  #hold(id: string, keyed: KeyedUnit): Instance {
    const known = this.#held.get(id);
    if (known !== undefined) return known;
    const dependencies = (): Promise<readonly Namespace[]> =>
      Promise.all(keyed.unit.imports.map((dependency) => this.#import(keyed.unit, dependency)));
    const instance = this.#linker.hold(id, keyed, this, dependencies);
    this.#held.set(id, instance);
    return instance;
  }

  async #import(unit: Unit, dependency: UnitImport): Promise<Namespace> {
    if (dependency.module === null) return this.#linker.external(unit, dependency);
    const id = unitId("module", dependency.module);
    let instance: Instance;
    try {
      instance = await this.load(id, unit);
    } catch (error) {
      throw blockedError(unit, dependency, error);
    }
    return instance.namespace;
  }
}

function missingModule(name: string, importer: Unit | undefined): CodeError {
  const by = importer === undefined ? "" : `, imported by ${importer.name}`;
  const message = `module "${name}" not found${by}`;
  return new CodeError("CODE_MISSING_MODULE", message, { details: { module: name } });
}
