/**
 * What compiled code is: plain values, so that it can be handed to another thread, which needs none
 * of the tool chain to run it.
 */

/** A procedure is called by path, a module is imported. The two have separate name spaces. */
export type CodeKind = "proc" | "module";

/** `is_async` as it is stored: null runs inline, true asynchronously, false in a worker. */
export type AsyncMode = null | boolean;

/** Counted from 1, columns in UTF-16 units, as V8 counts in stack traces. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One thing that a unit imports, however many statements name it. */
export interface UnitImport {
  /** As it is written. */
  readonly spec: string;
  /** The text of the stored module's path; null for a package or builtin of the host. */
  readonly module: string | null;
  /** Whether it is imported `with { type: "json" }`. */
  readonly json: boolean;
  /** The imported names, without whole namespaces. */
  readonly names: readonly (Place & { readonly name: string })[];
  /** Where it is first imported. */
  readonly place: Place;
}

/** One compiled entry. */
export interface Unit {
  readonly kind: CodeKind;
  /** The text of its path, canonical. */
  readonly name: string;
  /** Over everything that its author wrote: kind, text, vars, defaults, mode. */
  readonly hash: string;
  /** A function's body, a module (also a procedure that exports one function), or JSON text. */
  readonly form: "body" | "module" | "json";
  readonly imports: readonly UnitImport[];
  /** Stored modules that it may import while it runs: literal `import()` and hand-written `requires`. */
  readonly later: readonly string[];
  /** The names it exports itself, in the order of the getters in `head`. */
  readonly exports: readonly string[];
  /** Indexes of the imports that it re-exports whole. */
  readonly stars: readonly number[];
  /** What registers the exports; runs before `body`. */
  readonly head: string;
  /** The rewritten text: every line, and nearly every column, is where its author wrote it. */
  readonly body: string;
  /** Names that `body` mentions and nobody declares: globals, and extra arguments if given. */
  readonly free: readonly string[];
  readonly vars: readonly string[];
  /** Values for vars that a caller leaves out. */
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly isAsync: AsyncMode;
}

/** A unit and its key: a hash over it and over the keys of all it imports, the same on every node. */
export interface KeyedUnit {
  readonly unit: Unit;
  readonly key: string;
}

/** Everything that one procedure or module needs to run in another thread; plain values only. */
export interface Shipment {
  /** The unit to run or import, one of `units`. */
  readonly id: string;
  readonly key: string;
  readonly units: readonly KeyedUnit[];
  /** The URL of the directory from which packages are resolved. */
  readonly resolveFrom: string;
}

/** Tells the procedure `a.b` from the module `a.b`. */
export function unitId(kind: CodeKind, name: string): string {
  return `${kind}:${name}`;
}

export function splitId(id: string): [CodeKind, string] {
  const colon = id.indexOf(":");
  return [id.slice(0, colon) as CodeKind, id.slice(colon + 1)];
}
