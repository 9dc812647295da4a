import { CodeError, type BanyanErrorOptions } from "../base/errors.ts";
import type { CodesOf } from "../base/error-codes.ts";
import type { CodeKind, Place } from "./unit.ts";

const LINE_END = /\r\n|[\n\r\u2028\u2029]/g;
const LINES_AROUND = 2;
/** Longer lines are cut around the caret, so that a minified file does not fill an error record. */
const MAX_WIDTH = 120;

/** The place of a character, by its index in `text`. */
export function placeAt(text: string, index: number): Place {
  let line = 1;
  let lineStart = 0;
  for (const match of text.matchAll(LINE_END)) {
    const end = match.index + match[0].length;
    if (end > index) break;
    line++;
    lineStart = end;
  }
  return { line, column: Math.min(index, text.length) - lineStart + 1 };
}

/** The lines around a place, numbered, with a caret below the column. */
function codeFrame(text: string, { line, column }: Place): string {
  const lines = text.split(LINE_END);
  const first = Math.max(1, line - LINES_AROUND);
  const last = Math.min(lines.length, line + LINES_AROUND);
  const digits = `${last}`.length;
  const from = Math.max(0, column - 1 - MAX_WIDTH / 2);
  const frame: string[] = [];
  for (let number = first; number <= last; number++) {
    const shown = (lines[number - 1] ?? "").slice(from, from + MAX_WIDTH);
    const mark = number === line ? ">" : " ";
    frame.push(`${mark} ${`${number}`.padStart(digits)} | ${shown}`.trimEnd());
    if (number !== line) continue;
    // Tabs stay tabs: the caret stands below the character however wide a tab is shown.
    const indent = shown.slice(0, column - 1 - from).replaceAll(/[^\t]/g, " ");
    frame.push(`  ${" ".repeat(digits)} | ${indent}^`);
  }
  return frame.join("\n");
}

/** What an error says of where it is. */
export interface CodeOrigin {
  readonly kind: CodeKind;
  readonly name: string;
  /** The stored text, for the frame. */
  readonly text: string;
}

/**
 * An error with a place in stored code: the message starts with `name:line:column:`, and `details`
 * holds `kind`, `path`, `line`, `column` and `frame`.
 */
export function codeErrorAt(
  code: CodesOf<"CODE">,
  reason: string,
  origin: CodeOrigin,
  place: Place & BanyanErrorOptions,
): CodeError {
  const { kind, name, text } = origin;
  const { line, column, cause, details } = place;
  return new CodeError(code, `${name}:${line}:${column}: ${reason}`, {
    cause,
    details: { kind, path: name, line, column, frame: codeFrame(text, place), ...details },
  });
}
