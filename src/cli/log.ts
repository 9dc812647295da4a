import { createRequire } from "node:module";

import type * as lib from "consola";

import type { Log, LogFields } from "../base/log.ts";

const require = createRequire(import.meta.url);

/** A log on stderr: pretty on a terminal, one plain line each in a pipe. */
export function consoleLog(name: string, options: { verbose?: boolean } = {}): Log {
  // Only processes that stay have one.
  const { createConsola } = require("consola") as typeof lib;
  const consola = createConsola({
    level: options.verbose === true ? 4 : 3,
    stdout: process.stderr,
    stderr: process.stderr,
  }).withTag(name);
  return {
    debug: (message, fields) => consola.debug(line(message, fields)),
    info: (message, fields) => consola.info(line(message, fields)),
    warn: (message, fields) => consola.warn(line(message, fields)),
    error: (message, fields) => consola.error(line(message, fields)),
  };
}

function line(message: string, fields: LogFields | undefined): string {
  if (fields === undefined) return message;
  const facts = Object.entries(fields).map(([key, value]) => `${key}=${fact(value)}`);
  return facts.length === 0 ? message : `${message} (${facts.join(", ")})`;
}

function fact(value: unknown): string {
  if (value instanceof Error) return value.message;
  if (typeof value === "string") return value;
  return JSON.stringify(value) ?? String(value);
}
