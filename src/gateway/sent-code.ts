import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

import type * as swc from "@swc/wasm-typescript";
import type * as acorn from "acorn";

import { GatewayError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import { assertPure } from "./pure-function.ts";
import type { Program } from "./program.ts";
import { rewriteModule } from "./sent-module.ts";

/** A module of this side, to be sent as text; TypeScript loses its types first. */
export interface ModuleFile {
  readonly file: string | URL;
}

/** What can be sent: source, a function that uses nothing around it, a module. */
export type SentCode = string | ModuleFile | ((...args: never[]) => unknown);

const require = createRequire(import.meta.url);

/**
 * What is sent for it; `name` names it in stacks, where nothing better does.
 *
 * @throws GatewayError `GATEWAY_SOURCE`; whatever the system says of a file
 */
export function programOf(code: SentCode, name: string): Program {
  if (typeof code === "string") return sourceProgram(code, `${name}.js`);
  if (typeof code === "function") return functionProgram(code, name);
  if (typeof code === "object" && code !== null && "file" in code) return moduleProgram(code.file);
  const says = `what is sent is source, a function or { file }, not ${kindOf(code)}`;
  throw new GatewayError("GATEWAY_SOURCE", says);
}

function sourceProgram(text: string, file: string): Program {
  // Only where there may be one: the other side finds what else is wrong.
  if (!/^\s*(?:import|export)\b(?!\s*\()/m.test(text)) return { form: "source", text, file };
  return { form: "module", text: rewriteModule(text, file, loadAcorn()), file };
}

function functionProgram(code: (...args: never[]) => unknown, name: string): Program {
  const text = Function.prototype.toString.call(code);
  const file = `${name}${code.name === "" ? "" : `-${code.name}`}.js`;
  assertPure(text, { acorn: loadAcorn(), scopes: require("eslint-scope") });
  return { form: "function", text, file };
}

function moduleProgram(given: string | URL): Program {
  const path = given instanceof URL || given.startsWith("file:") ? fileURLToPath(given) : given;
  const file = relative(process.cwd(), path).split(sep).join("/") || path;
  const text = readFileSync(path, "utf8");
  const js = /\.m?ts$/.test(path) ? stripTypes(text, file) : text;
  return { form: "module", text: rewriteModule(js, file, loadAcorn()), file };
}

function stripTypes(text: string, file: string): string {
  const { transformSync } = require("@swc/wasm-typescript") as typeof swc;
  try {
    return transformSync(text, { mode: "strip-only", module: true }).code;
  } catch (error) {
    const { message, startLine } = error as { message?: string; startLine?: number };
    const where = startLine === undefined ? file : `${file}:${startLine}`;
    const says = `${where}: ${message ?? String(error)}`;
    throw new GatewayError("GATEWAY_SOURCE", says, { cause: error });
  }
}

/** Loaded at once, so that the order of calls stays; most gateways never do. */
function loadAcorn(): typeof acorn {
  return require("acorn") as typeof acorn;
}
