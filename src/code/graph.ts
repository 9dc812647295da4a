/**
 * What imports what: gives every unit its key, and says which can't be used and why. It looks at the
 * units alone and runs nothing, so that every node comes to the same keys and the same errors.
 */
import { createHash } from "node:crypto";

import { BanyanError, CodeError } from "../base/errors.ts";
import { codeErrorAt } from "./code-frame.ts";
import { type KeyedUnit, type Unit, type UnitImport, unitId } from "./unit.ts";

/** One entry as it came out of the compiler. */
export interface Source {
  /** The stored text, for frames. */
  readonly text: string;
  readonly compiled: Unit | CodeError;
}

export interface Plan {
  /** By id; only units that can be run. */
  readonly units: ReadonlyMap<string, KeyedUnit>;
  /** By id: why it can't be run. Each id of the sources is in one of the two. */
  readonly errors: ReadonlyMap<string, CodeError>;
}

export function planGraph(sources: ReadonlyMap<string, Source>): Plan {
  return new Planner(sources).run();
}

/**
 * Why something that imports a broken module is broken too: `a -> b -> c: what is wrong with c`. The
 * root cause is the error's cause.
 */
export function blockedError(unit: Unit, { module, place }: UnitImport, error: unknown): CodeError {
  const known = BanyanError.has(error, "CODE_BLOCKED") ? error : undefined;
  const via = (known?.details["via"] as readonly string[] | undefined) ?? [module ?? ""];
  const cause = known?.cause ?? error;
  const what = cause instanceof Error ? cause.message : String(cause);
  const chain = abridge(via.length + 1, (index) => (index === 0 ? unit.name : via[index - 1]));
  return new CodeError("CODE_BLOCKED", `${chain.join(" -> ")}: ${what}`, {
    cause,
    details: { kind: unit.kind, path: unit.name, ...place, via: chain, root: via.at(-1) },
  });
}

const SHOWN_FIRST = 4;
const SHOWN_LAST = 3;

/** The names of a way through many modules: the first and the last of them where it is long. */
function abridge(count: number, nameAt: (index: number) => string | undefined): string[] {
  const names: string[] = [];
  for (let index = 0; index < count; index++) {
    if (index === SHOWN_FIRST && count > SHOWN_FIRST + 1 + SHOWN_LAST) {
      names.push("...");
      index = count - SHOWN_LAST;
    }
    names.push(nameAt(index) ?? "");
  }
  return names;
}

/** The names that a module exports; `open` where it re-exports a package, whose names are not known. */
interface Exports {
  readonly names: ReadonlySet<string>;
  readonly open: boolean;
}

/** A unit on the way down: which of its imports is next. */
interface Step {
  readonly id: string;
  readonly unit: Unit;
  next: number;
}

class Planner {
  readonly #sources: ReadonlyMap<string, Source>;
  readonly #units = new Map<string, KeyedUnit>();
  readonly #errors = new Map<string, CodeError>();
  readonly #exports = new Map<string, Exports>();
  /** From the unit we started with down to the one that is looked at. */
  readonly #path: Step[] = [];
  readonly #onPath = new Map<string, number>();
  readonly #done = new Set<string>();

  constructor(sources: ReadonlyMap<string, Source>) {
    this.#sources = sources;
  }

  run(): Plan {
    // In one order everywhere, so that of two circles every node finds the same.
    for (const id of [...this.#sources.keys()].sort()) {
      this.#enter(id);
      while (this.#path.length > 0) this.#advance(this.#path.at(-1) as Step);
    }
    return { units: this.#units, errors: this.#errors };
  }

  #enter(id: string): void {
    if (this.#done.has(id)) return;
    const compiled = this.#sources.get(id)?.compiled;
    if (compiled === undefined) return;
    if (BanyanError.is(compiled)) {
      this.#errors.set(id, compiled);
      this.#done.add(id);
      return;
    }
    this.#onPath.set(id, this.#path.length);
    this.#path.push({ id, unit: compiled, next: 0 });
  }

  /** Not recursive: a chain of imports may be longer than the stack is deep. */
  #advance(step: Step): void {
    const dependency = step.unit.imports[step.next];
    step.next += 1;
    if (dependency === undefined) {
      this.#leave(step);
      return;
    }
    if (dependency.module === null) return;
    const id = unitId("module", dependency.module);
    const start = this.#onPath.get(id);
    if (start === undefined) this.#enter(id);
    else this.#reportCycle(start);
  }

  #leave({ id, unit }: Step): void {
    this.#path.pop();
    this.#onPath.delete(id);
    this.#done.add(id);
    if (this.#errors.has(id)) return;
    const error = this.#findError(unit);
    if (error !== undefined) {
      this.#errors.set(id, error);
      return;
    }
    this.#exports.set(id, this.#exportsOf(unit));
    this.#units.set(id, { unit, key: this.#keyOf(unit) });
  }

  /** Each member hears of the circle as it looks from there. */
  #reportCycle(start: number): void {
    const members = this.#path.slice(start);
    for (const [index, { id, unit, next }] of members.entries()) {
      if (this.#errors.has(id)) continue;
      const nameAt = (step: number): string | undefined =>
        members[(index + step) % members.length]?.unit.name;
      const round = abridge(members.length, nameAt);
      const dependency = unit.imports[next - 1] as UnitImport;
      this.#errors.set(
        id,
        codeErrorAt(
          "CODE_CYCLE",
          `import cycle: ${[...round, unit.name].join(" -> ")}`,
          { ...unit, text: this.#textOf(id) },
          { ...dependency.place, details: { cycle: round } },
        ),
      );
    }
  }

  #findError(unit: Unit): CodeError | undefined {
    for (const dependency of unit.imports) {
      const error =
        dependency.module === null ? undefined : this.#findImportError(unit, dependency);
      if (error !== undefined) return error;
    }
    return undefined;
  }

  #findImportError(unit: Unit, dependency: UnitImport): CodeError | undefined {
    const { module, json, names, place, spec } = dependency;
    const id = unitId("module", module ?? "");
    const origin = { ...unit, text: this.#textOf(unitId(unit.kind, unit.name)) };
    if (!this.#sources.has(id)) {
      const details = { module };
      return codeErrorAt("CODE_MISSING_MODULE", `module "${module}" not found`, origin, {
        ...place,
        details,
      });
    }
    const error = this.#errors.get(id);
    if (error !== undefined) return blockedError(unit, dependency, error);
    const isJson = this.#units.get(id)?.unit.form === "json";
    if (isJson !== json) {
      const reason = isJson
        ? `"${spec}" is JSON: import it with { type: "json" }`
        : `"${spec}" is no JSON: import it without { type: "json" }`;
      return codeErrorAt("CODE_UNSUPPORTED", reason, origin, place);
    }
    const exported = this.#exports.get(id);
    const missing = names.find(({ name }) => exported?.open === false && !exported.names.has(name));
    if (missing === undefined) return undefined;
    const reason = `module "${spec}" does not export "${missing.name}", imported by ${unit.name}`;
    return codeErrorAt("CODE_MISSING_EXPORT", reason, origin, {
      line: missing.line,
      column: missing.column,
      details: { module, export: missing.name },
    });
  }

  #exportsOf(unit: Unit): Exports {
    const names = new Set(unit.exports);
    let open = false;
    for (const index of unit.stars) {
      const { module } = unit.imports[index] as UnitImport;
      const more = module === null ? undefined : this.#exports.get(unitId("module", module));
      open ||= more?.open ?? true;
      for (const name of more?.names ?? []) if (name !== "default") names.add(name);
    }
    return { names, open };
  }

  #keyOf(unit: Unit): string {
    const parts = unit.imports.map(({ module, spec }) =>
      module === null ? spec : (this.#units.get(unitId("module", module))?.key ?? ""),
    );
    return keyOf(unit, parts.join("\n"));
  }

  #textOf(id: string): string {
    return this.#sources.get(id)?.text ?? "";
  }
}

const KEY_LENGTH = 16;
/** Hashing is most of the work of a plan, and most units are the same as in the plan before. */
const keys = new WeakMap<Unit, { readonly parts: string; readonly key: string }>();

function keyOf(unit: Unit, parts: string): string {
  const known = keys.get(unit);
  if (known?.parts === parts) return known.key;
  const hash = createHash("sha256").update(`${unit.hash}\n${parts}`).digest("hex");
  const key = hash.slice(0, KEY_LENGTH);
  keys.set(unit, { parts, key });
  return key;
}
