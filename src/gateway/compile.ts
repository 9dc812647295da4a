import { createRequire } from "node:module";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import vm from "node:vm";

import type { Program, Runnable } from "./program.ts";

/** What a compiled program is given, in this order. */
const PARAMETERS = "channel, args, require, $out";

type Body = (
  channel: unknown,
  args: readonly unknown[],
  require: NodeJS.Require,
  exports: { default?: unknown },
) => Promise<unknown>;

/**
 * Compiles what was sent. Errors name its own file and lines.
 *
 * @throws SyntaxError, with the place in its stack
 */
export function compile(program: Program): Runnable {
  if (program.form === "function") return compileFunction(program);
  const body = program.form === "module" ? compileBody(program, true) : compileSource(program);
  return async (channel, args) => {
    const exports: { default?: unknown } = {};
    const result = await body(channel, args, requireHere(), exports);
    const main = exports.default;
    return isCallable(main) ? await main(channel, ...args) : result;
  };
}

/** Loads a module from where this process works, as `import()` there would. */
export function importHere(specifier: string): Promise<unknown> {
  return loader()(specifier);
}

function isCallable(value: unknown): value is (...given: unknown[]) => unknown {
  return typeof value === "function" && !/^class\b/.test(Function.prototype.toString.call(value));
}

function requireHere(): NodeJS.Require {
  return createRequire(join(process.cwd(), "noname.js"));
}

function compileFunction({ text, file }: Program): Runnable {
  // What some compilers call to name a function is nobody's to send.
  const head = "(function (require, __name) { return (";
  const make = script(`${head}${text}\n); })`, file, head.length) as (
    require: NodeJS.Require,
    name: (named: unknown) => unknown,
  ) => unknown;
  return async (channel, args) => {
    const run = make(requireHere(), (named) => named) as (...given: unknown[]) => unknown;
    return await run(channel, ...args);
  };
}

/** The value of one expression, or what a body returns; only what fails as either is an error. */
function compileSource(program: Program): Body {
  try {
    const head = `(async function (${PARAMETERS}) { return (`;
    return script(`${head}${program.text}\n); })`, program.file, head.length) as Body;
  } catch {
    return compileBody(program, false);
  }
}

function compileBody({ text, file }: Program, strict: boolean): Body {
  const head = `(async function (${PARAMETERS}) { ${strict ? '"use strict"; ' : ""}`;
  return script(`${head}${text}\n})`, file, head.length) as Body;
}

/**
 * `head` is how much of the first line is not the program's own. V8 keeps each script that it compiles
 * for good, unless its cache is off: about a kilobyte for every run, whose file has a name of its own.
 */
function script(text: string, filename: string, head: number): unknown {
  setFlagsFromString("--no-compilation-cache");
  try {
    return new vm.Script(text, {
      filename,
      columnOffset: -head,
      importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    }).runInThisContext();
  } finally {
    setFlagsFromString("--compilation-cache");
  }
}

type Load = (specifier: string) => Promise<unknown>;
let load: Load | undefined;

/**
 * The first import out of a script that was compiled at run time makes Node warn of an experiment. Nobody
 * who sends code can do anything about it.
 */
function loader(): Load {
  if (load !== undefined) return load;
  load = script("(specifier) => import(specifier)", "import.js", 0) as Load;
  const warn = Object.getOwnPropertyDescriptor(process, "emitWarning");
  process.emitWarning = () => {};
  try {
    void load("node:module");
  } finally {
    if (warn !== undefined) Object.defineProperty(process, "emitWarning", warn);
  }
  return load;
}

/** Has that warning behind us before any program runs. */
export function prepareImports(): void {
  loader();
}
