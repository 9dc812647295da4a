/**
 * Elements of paths as names of files and folders, and back. Plain words are their own name. `%2F` and the
 * like stand for what a file system or a program would take for something else; `=` begins what is no text:
 *
 * | name | element |
 * | --- | --- |
 * | `=2`, `=-1.5` | a number |
 * | `=t`, `=f`, `=n` | true, false, null |
 * | `=e` | the empty text |
 * | `=x00ff` | bytes |
 */
import { NodeError } from "../base/errors.ts";
import type { PathElement } from "../wire/path.ts";

/** File systems allow 255 bytes; a temporary name and an ending have to fit, too. */
const MAX_NAME_BYTES = 200;

/**
 * The names that an element may have, best first; the last ones are for folders where a name that differs
 * only in case is taken. Each of them means this element and no other.
 *
 * @throws NodeError `NODE_BAD_VALUE` where it has none
 */
export function fileNames(element: PathElement): readonly string[] {
  const names = typeof element === "string" && element !== "" ? textNames(element) : [`=${mark(element)}`]; // prettier-ignore
  const [name = ""] = names;
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new NodeError(
      "NODE_BAD_VALUE",
      `a name of ${Buffer.byteLength(name)} bytes is too long for a file`,
    );
  }
  return names;
}

/** What a name stands for: names that nobody would write for it are read, too. */
export function elementOf(name: string): PathElement {
  const marked = name.startsWith("=") ? unmark(name.slice(1)) : undefined;
  if (marked !== undefined) return marked;
  return name.replaceAll(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

function textNames(text: string): readonly string[] {
  const plain = escapeSpecial(text);
  const upper = plain.replaceAll(/%[0-9A-F]{2}|[A-Z]/g, (c) => (c.length > 1 ? c : escape(c)));
  return [plain, upper, escape(text)];
}

function escapeSpecial(text: string): string {
  // Some file systems store another form of what is written in two ways.
  const odd = text.normalize("NFC") === text ? "" : "\\u0080-\\u{10FFFF}";
  return text
    .replaceAll(new RegExp(`[\\u0000-\\u001f\\u007f%/\\\\:*?"<>|${odd}]`, "gu"), escape)
    .replace(/^[.=]/, escape)
    .replace(/[. ]$/, escape)
    .replace(ENDS_LIKE_ANOTHER_KIND, (ending) => escape(".") + ending.slice(1))
    .replace(MEANS_SOMETHING_ELSE, (name) => escape(name.slice(0, 1)) + name.slice(1));
}

/** `a.d` and `.ts` would be a file of types, and `a.exact` and `.json` the other form of JSON. */
const ENDS_LIKE_ANOTHER_KIND = /\.(?:d|exact)$/;
/** Devices of Windows, also with an ending, and where packages are. */
const MEANS_SOMETHING_ELSE = /^(?:(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)|node_modules$)/i;

function escape(text: string): string {
  let escaped = "";
  for (const byte of Buffer.from(text, "utf8")) {
    escaped += `%${byte.toString(16).padStart(2, "0").toUpperCase()}`;
  }
  return escaped;
}

function mark(element: PathElement): string {
  if (element === null) return "n";
  if (typeof element === "boolean") return element ? "t" : "f";
  if (typeof element === "number") return String(element);
  return element === "" ? "e" : `x${Buffer.from(element as Uint8Array).toString("hex")}`;
}

const WORDS = new Map<string, PathElement>([
  ["n", null],
  ["t", true],
  ["f", false],
  ["e", ""],
]);

function unmark(text: string): PathElement | undefined {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  if (/^x(?:[0-9a-f]{2})*$/.test(text)) return new Uint8Array(Buffer.from(text.slice(1), "hex"));
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : undefined;
}
