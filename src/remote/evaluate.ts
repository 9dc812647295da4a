import { RemoteError } from "../base/errors.ts";
import type { Policy } from "./policy.ts";
import { stubOf } from "./stub-handle.ts";

export interface EvaluateOptions {
  /** An object here or elsewhere whose properties are variables of the source. */
  readonly scope?: object | undefined;
}

interface Script {
  runInThisContext(): unknown;
}

interface ScriptOptions {
  readonly filename: string;
  readonly importModuleDynamically?: unknown;
}

interface Vm {
  readonly Script: new (text: string, options: ScriptOptions) => Script;
  /** What makes `import()` work in the source. */
  readonly constants?: { readonly USE_MAIN_CONTEXT_DEFAULT_LOADER?: unknown };
}

interface V8 {
  setFlagsFromString(flags: string): void;
}

/** What this needs of Node, where there is one. */
interface Host {
  readonly process?: {
    readonly getBuiltinModule?: (name: string) => unknown;
  };
}

let lastNumber = 0;

/**
 * Runs JavaScript here, as the body of an async function without a name: its result is what it
 * `return`s, or the value of the one expression that it is. The properties of `scope` are its variables,
 * also to be assigned to; those of a remote object are stubs, to be awaited or called. Other names are
 * globals.
 *
 * @throws SyntaxError, with the place in the source in its stack; whatever the source throws
 */
export async function evaluate(
  source: string,
  { scope = {} }: EvaluateOptions = {},
): Promise<unknown> {
  const file = `evaluate-${++lastNumber}.js`;
  const run = compile(source, file) as (scope: object) => Promise<unknown>;
  return await run(asVariables(scope));
}

/** The same on behalf of a peer. @throws RemoteError `REMOTE_DENIED` unless it is trusted */
export function evaluateFor(policy: Policy, [source, scope]: readonly unknown[]): Promise<unknown> {
  if (policy !== "trusted") {
    throw new RemoteError("REMOTE_DENIED", "source is run for trusted peers only");
  }
  if (typeof source !== "string") throw new TypeError("the source is no text");
  return evaluate(source, { scope: typeof scope === "object" && scope !== null ? scope : {} });
}

/** An expression where it is one; only what fails as either is an error, and then as a body. */
function compile(source: string, file: string): unknown {
  try {
    // On a line of its own: the source may end with a comment. The first line keeps its number.
    return script(`(async function ($scope) { with ($scope) { return (${source}\n) } })`, file);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "SyntaxError") throw error;
    return script(`(async function ($scope) { with ($scope) { ${source}\n } })`, file);
  }
}

/** With the name and lines of the source in stacks where Node compiles it. */
function script(text: string, file: string): unknown {
  const vm = (globalThis as Host).process?.getBuiltinModule?.("node:vm") as Vm | undefined;
  if (vm !== undefined) return compiledBy(vm, text, file)();
  const compiler = Reflect.get(globalThis, "eval") as (text: string) => unknown;
  return compiler(`${text}\n//# sourceURL=${file}`);
}

/** V8 keeps every script for good, unless its cache is off: about a kilobyte each. */
function compiledBy(vm: Vm, text: string, filename: string): () => unknown {
  const v8 = (globalThis as Host).process?.getBuiltinModule?.("node:v8") as V8 | undefined;
  const importModuleDynamically = vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  v8?.setFlagsFromString("--no-compilation-cache");
  try {
    const compiled = new vm.Script(text, { filename, importModuleDynamically });
    return () => compiled.runInThisContext();
  } finally {
    v8?.setFlagsFromString("--compilation-cache");
  }
}

/** `with` asks for every name whether the scope has it, which a stub can't say at once. */
function asVariables(scope: object): object {
  return new Proxy(Object.create(null) as object, {
    has: (_, key) => typeof key === "string" && isVariable(scope, key),
    get: (_, key) => (typeof key === "string" ? (Reflect.get(scope, key) as unknown) : undefined),
    set: (_, key, value) => Reflect.set(scope, key, value),
  });
}

function isVariable(scope: object, key: string): boolean {
  if (stubOf(scope) !== undefined) return !(key in globalThis);
  return key in scope;
}
