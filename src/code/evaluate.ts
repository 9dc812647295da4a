/** Makes functions of compiled text. The only place where text becomes code. */
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";

import type { KeyedUnit, Place, Unit } from "./unit.ts";
import { sourceUrl } from "./source-url.ts";

/** What the wrapper of a unit is given. */
export interface UnitContext {
  /** The namespaces of the imports, in their order. */
  readonly namespaces: readonly unknown[];
  readonly register: (getters: readonly (() => unknown)[]) => void;
  readonly dynamicImport: (spec: unknown, options?: unknown) => Promise<unknown>;
  readonly meta: object;
}

/** Evaluates a module; its promise settles when the module has run to its end. */
export function evaluateModule(
  { unit, key }: KeyedUnit,
  { register, dynamicImport, meta, namespaces }: UnitContext,
): Promise<void> {
  const make = evaluate(unit, key, modulePrefix(unit), MODULE_SUFFIX) as ModuleFunction;
  return make(register, dynamicImport, meta, ...namespaces);
}

/**
 * Makes the function of a body-form procedure. `extras` are further parameters, after its vars:
 * names that the body mentions freely.
 */
export function evaluateBody(
  { unit, key }: KeyedUnit,
  extras: readonly string[],
  { dynamicImport, meta, namespaces }: Omit<UnitContext, "register">,
): (...values: readonly unknown[]) => unknown {
  const make = evaluate(unit, key, bodyPrefix(unit, extras), bodySuffix(unit)) as BodyMaker;
  return make(dynamicImport, meta, ...namespaces);
}

type ModuleFunction = (
  register: UnitContext["register"],
  dynamicImport: UnitContext["dynamicImport"],
  meta: object,
  ...namespaces: readonly unknown[]
) => Promise<void>;

type BodyMaker = (
  dynamicImport: UnitContext["dynamicImport"],
  meta: object,
  ...namespaces: readonly unknown[]
) => (...values: readonly unknown[]) => unknown;

/** What is wrong with the text of a unit as this engine sees it; `undefined` if nothing. */
export function findSyntaxError(unit: Unit): { message: string; place: Place } | undefined {
  const prefix = unit.form === "body" ? bodyPrefix(unit, []) : modulePrefix(unit);
  const source = `${prefix}${unit.body}${unit.form === "body" ? bodySuffix(unit) : MODULE_SUFFIX}`;
  try {
    evaluateUncached(source);
    return undefined;
  } catch (error) {
    return { message: (error as Error).message, place: findPlace(source, prefix.length) };
  }
}

/** `eval` does not say where the error is; a script does, in the head of its stack. */
function findPlace(source: string, prefixLength: number): Place {
  try {
    // Kept in V8's cache for good, but only where it compiles.
    void new Script(source, { filename: "checked" });
  } catch (error) {
    const [, row = "1", caret = ""] =
      /^checked:(\d+)\n[^\n]*\n( *)\^/.exec((error as Error).stack ?? "") ?? [];
    const line = Number(row);
    return { line, column: Math.max(1, caret.length + 1 - (line === 1 ? prefixLength : 0)) };
  }
  return { line: 1, column: 1 };
}

const MODULE_SUFFIX = "\n})";

function modulePrefix(unit: Unit): string {
  return `(async function($t$x,$t$dyn,$t$meta${importNames(unit)}){"use strict";${unit.head}`;
}

/** The computed name shows in stacks, and is no binding that the body could see. */
function bodyPrefix(unit: Unit, extras: readonly string[]): string {
  const keyword = unit.isAsync === true ? "async function" : "function";
  const parameters = [...unit.vars, ...extras].join(",");
  const name = JSON.stringify(unit.name);
  return `(function($t$dyn,$t$meta${importNames(unit)}){"use strict";return{[${name}]:${keyword}(${parameters}){`;
}

function bodySuffix(unit: Unit): string {
  return `\n}}[${JSON.stringify(unit.name)}]})`;
}

function importNames(unit: Unit): string {
  return unit.imports.map((_, index) => `,$t$${index}`).join("");
}

function evaluate(unit: Unit, key: string, prefix: string, suffix: string): unknown {
  const url = sourceUrl(unit.name, key, prefix.length);
  return evaluateUncached(`${prefix}${unit.body}${suffix}`, url);
}

let evaluations = 0;

/**
 * Indirect eval: the text sees globals and nothing of ours.
 *
 * V8 keeps what it compiled for good, 7 bytes of heap for each byte of text: `new Script` always, eval
 * once it has seen the same text twice, from Node 26 on always. So no text is ever the same as one
 * before, and where that is not enough the cache is off.
 */
function evaluateUncached(source: string, url?: string): unknown {
  evaluations += 1;
  const end = url === undefined ? "" : `\n//# sourceURL=${url}`;
  const unique = `${source}\n//${evaluations}${end}`;
  if (!CACHES_EVAL) return globalEval(unique);
  setFlagsFromString("--no-compilation-cache");
  try {
    return globalEval(unique);
  } finally {
    setFlagsFromString("--compilation-cache");
  }
}

// oxlint-disable-next-line no-eval -- running stored text is what this file is for
const globalEval = globalThis.eval;
const CACHES_EVAL = Number(process.versions.node.split(".", 1)[0]) >= 26;
