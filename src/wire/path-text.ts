/**
 * The text form of paths, as DistKV writes it: `.` separates, `:` starts what is no plain string.
 *
 * | text | element | | text, inside a string | stands for |
 * | --- | --- | --- | --- | --- |
 * | `:12` `:-1:.5e3` `:x1f` | a number | | `:.` | a dot |
 * | `:t` `:f` `:n` | true, false, null | | `::` | a colon |
 * | `:e` | the empty string | | `:_` | a space |
 * | `:vabc` `:y616299` | bytes, as text or in hex | | | |
 *
 * An element that starts with `:` needs no dot before it and may have none: `a:2.c` is
 * `["a", 2, "c"]`. `:` alone is the root.
 */
import { WireError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import { ROOT_TEXT } from "./path-format.ts";
import { Path, type PathElement, type PathLike } from "./path.ts";

export { formatPath } from "./path-format.ts";

const DOT = 0x2e;
const COLON = 0x3a;
const MAX_SHOWN_CHARS = 80;

/**
 * Reads the text form.
 *
 * @throws WireError `WIRE_BAD_PATH`; a syntax error has the column it was found at (from 1, in UTF-16
 *   units) as `details.position`.
 */
export function parsePath(text: string): Path {
  if (text === ROOT_TEXT) return Path.root;
  if (typeof text !== "string") {
    throw new WireError("WIRE_BAD_PATH", `the text of a path is a string, not ${kindOf(text)}`);
  }
  const names = plainNames(text);
  return names === undefined ? new PathParser(text).parse() : Path.fromElements(names);
}

/** The names between dots, where there is nothing else and none is empty. (`split` takes ten times as long where it was not run for a while.) */
function plainNames(text: string): string[] | undefined {
  if (text.includes(":")) return undefined;
  const names: string[] = [];
  for (let at = 0; ;) {
    const dot = text.indexOf(".", at);
    const end = dot < 0 ? text.length : dot;
    if (end === at) return undefined;
    names.push(text.slice(at, end));
    if (dot < 0) return names;
    at = end + 1;
  }
}

/**
 * The path that a caller means: a string is parsed, elements are checked and copied, a `Path` is
 * returned as it is.
 *
 * @throws WireError `WIRE_BAD_PATH`
 */
export function toPath(like: PathLike): Path {
  return typeof like === "string" ? parsePath(like) : Path.fromElements(like);
}

/**
 * What stands before the next character: `start` of the text; `dot`, after which a string has to
 * follow; `text` of an element that goes on until a dot or a colon; `closed`, behind an element that
 * is complete.
 */
type ParserState = "start" | "dot" | "text" | "closed";

/** How the text of an element that is being read becomes the element. */
type ElementKind = "string" | "number" | "hex number" | "text bytes" | "hex bytes";

const COMPLETE: ReadonlyMap<string, PathElement> = new Map<string, PathElement>([
  ["t", true],
  ["f", false],
  ["n", null],
  ["e", ""],
]);
const ESCAPED: ReadonlyMap<string, string> = new Map([
  [".", "."],
  [":", ":"],
  ["_", " "],
]);
const MARKED: ReadonlyMap<string, ElementKind> = new Map<string, ElementKind>([
  ["x", "hex number"],
  ["v", "text bytes"],
  ["y", "hex bytes"],
]);

class PathParser {
  readonly #source: string;
  readonly #elements: PathElement[] = [];
  #state: ParserState = "start";
  #kind: ElementKind = "string";
  #text = "";
  #textStart = 0;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): Path {
    const source = this.#source;
    if (source === "") this.#fail(0, 'the text is empty; the root is ":"');
    let at = 0;
    while (at < source.length) {
      const end = endOfPlain(source, at);
      if (end > at) {
        this.#add(source.slice(at, end), at);
        at = end;
      } else if (source.charAt(at) === ".") {
        this.#dot(at);
        at += 1;
      } else {
        this.#colon(source.charAt(at + 1), at);
        at += 2;
      }
    }
    if (this.#state === "dot") {
      this.#fail(
        source.length,
        'an element is missing behind the dot; write ":e" for an empty string',
      );
    }
    this.#finish();
    return Path.fromElements(this.#elements);
  }

  #dot(at: number): void {
    if (this.#state === "start" || this.#state === "dot") {
      this.#fail(at, 'an element is missing before the dot; write ":e" for an empty string');
    }
    this.#finish();
    this.#state = "dot";
  }

  #colon(mark: string, at: number): void {
    if (mark === "") this.#fail(at, 'the text ends in a colon; write "::" for a colon');
    const escaped = ESCAPED.get(mark);
    if (escaped !== undefined) {
      this.#add(escaped, at);
      return;
    }
    if (this.#state === "dot") {
      this.#fail(at, `":${mark}" starts an element by itself; leave out the dot before it`);
    }
    this.#finish();
    const complete = COMPLETE.get(mark);
    if (complete !== undefined) {
      this.#elements.push(complete);
      this.#state = "closed";
      return;
    }
    this.#begin(mark, at);
  }

  #begin(mark: string, at: number): void {
    const kind = MARKED.get(mark);
    if (kind === undefined && !/[-+\d]/.test(mark)) {
      this.#fail(
        at,
        mark === "("
          ? "tuples are not supported as elements"
          : `":${mark}" means nothing; use ":." for a dot, "::" for a colon, ":_" for a space, or :t :f :n :e :v :y :x or a number`,
      );
    }
    this.#state = "text";
    this.#kind = kind ?? "number";
    this.#text = kind === undefined ? mark : "";
    this.#textStart = at;
  }

  #add(text: string, at: number): void {
    if (this.#state === "closed") {
      this.#fail(at, `"${clip(text)}" follows an element that is complete; put a dot before it`);
    }
    if (this.#state !== "text") {
      this.#state = "text";
      this.#kind = "string";
      this.#text = "";
      this.#textStart = at;
    }
    this.#text += text;
  }

  #finish(): void {
    if (this.#state !== "text") return;
    this.#elements.push(this.#element());
    this.#state = "closed";
  }

  #element(): PathElement {
    const text = this.#text;
    switch (this.#kind) {
      case "string":
        return text;
      case "number":
        return this.#number(text, /^[-+]?\d+(\.\d*)?(e[-+]?\d+)?$/i, text);
      case "hex number":
        return this.#number(`0x${text}`, /^0x[\da-f]+$/i, `x${text}`);
      case "text bytes":
        return new TextEncoder().encode(text);
      case "hex bytes":
      default:
        return this.#hexBytes(text);
    }
  }

  #number(text: string, grammar: RegExp, shown: string): number {
    if (!grammar.test(text)) {
      this.#fail(
        this.#textStart,
        `":${clip(shown)}" is no number; write "::" for a colon in a string`,
      );
    }
    const number = Number(text);
    if (!Number.isFinite(number) || isRounded(text, number)) {
      this.#fail(
        this.#textStart,
        `":${clip(shown)}" is too large to be kept exactly; use a string`,
      );
    }
    return number;
  }

  #hexBytes(text: string): Uint8Array {
    if (text.length % 2 !== 0 || !/^[\da-f]*$/i.test(text)) {
      this.#fail(this.#textStart, `":y${clip(text)}" needs pairs of hex digits`);
    }
    return Uint8Array.from({ length: text.length / 2 }, (_, i) =>
      Number.parseInt(text.slice(2 * i, 2 * i + 2), 16),
    );
  }

  #fail(at: number, problem: string): never {
    const position = at + 1;
    const shown = JSON.stringify(clip(this.#source));
    throw new WireError("WIRE_BAD_PATH", `${shown}, column ${position}: ${problem}`, {
      details: { position },
    });
  }
}

/** Where the next dot or colon is. */
function endOfPlain(text: string, start: number): number {
  let at = start;
  for (; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === DOT || unit === COLON) break;
  }
  return at;
}

function clip(text: string): string {
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}...` : text;
}

/**
 * Whether a whole number was changed by becoming a double: two long ids must not silently become one
 * key. What `formatPath` prints for a large double is its shortest form, and that is let through.
 */
function isRounded(text: string, number: number): boolean {
  if (Number.isSafeInteger(number) || !/^([-+]?\d+|0x[\da-f]+)$/i.test(text)) return false;
  return `${number}` !== text && BigInt(number) !== BigInt(text.replace(/^\+/, ""));
}
