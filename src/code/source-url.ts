/**
 * The names that stored code has in stack traces and debuggers: `tree:NAME@KEY+PREFIX`. NAME is the
 * path's text, KEY the version, PREFIX how many characters the wrapper puts before the stored text
 * on line 1. It stands in the name, so that a stack from another thread or process can be put right
 * without asking anybody.
 */
import type { Place } from "./unit.ts";

export function sourceUrl(name: string, key: string, prefixLength: number): string {
  return `tree:${encodeName(name)}@${key}+${prefixLength}`;
}

/** V8 ignores a sourceURL that holds white space or quotes. */
function encodeName(name: string): string {
  return name.replaceAll(/[\s"'`%()@\p{C}]/gu, (char) => {
    if (/[\uD800-\uDFFF]/u.test(char)) return "%EF%BF%BD";
    const code = char.charCodeAt(0);
    return code < 0x80 ? `%${code.toString(16).padStart(2, "0")}` : encodeURIComponent(char);
  });
}

const IN_STORED_CODE = /tree:([^\s()]*?)@([0-9a-f]*)\+(\d+):(\d+):(\d+)/g;

/** Where stored code was, as read from a stack frame. */
export interface CodePlace extends Place {
  readonly name: string;
  readonly key: string;
}

/** The first place in stored code that `text` (a stack, a frame) names. */
export function findCodePlace(text: string): CodePlace | undefined {
  for (const match of text.matchAll(IN_STORED_CODE)) return toPlace(match);
  return undefined;
}

/**
 * A stack as people should see it: places in stored code as `tree:bar.baz:LINE:COLUMN` of the stored
 * text, without the frames of Banyan itself and of Node.
 */
export function cleanStack(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => !isInternal(line))
    .map((line) =>
      line.replaceAll(IN_STORED_CODE, (...match) => {
        const { name, line: row, column } = toPlace(match);
        return `tree:${name}:${row}:${column}`;
      }),
    )
    .join("\n");
}

function toPlace(match: readonly (string | undefined)[]): CodePlace {
  const [, name = "", key = "", prefix, row, column] = match;
  const line = Number(row);
  return {
    name: decodeName(name),
    key,
    line,
    column: line === 1 ? Math.max(1, Number(column) - Number(prefix)) : Number(column),
  };
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** The folder that holds this package's own files, `src/` or `dist/`. */
const OWN_FILES = new URL("../", import.meta.url);

function isInternal(line: string): boolean {
  if (!/^\s+at /.test(line)) return false;
  if (IN_STORED_CODE_ONCE.test(line)) return false;
  if (/\bnode:internal\/|[\\/]node_modules[\\/]piscina[\\/]/.test(line)) return true;
  return line.includes(OWN_FILES.href) || line.includes(OWN_PATH);
}

const IN_STORED_CODE_ONCE = new RegExp(IN_STORED_CODE.source);
/** Some loaders show files as paths, not as URLs. */
const OWN_PATH = decodeURIComponent(OWN_FILES.pathname);
