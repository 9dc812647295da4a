import type { PathElement } from "./path.ts";

/** The root's text form. */
export const ROOT_TEXT = ":";

/** The text form: `parsePath` gives an equal path for it. A space is written as `:_`. */
export function formatPath(path: readonly PathElement[]): string {
  if (path.length === 0) return ROOT_TEXT;
  let text = "";
  for (const element of path) {
    if (typeof element !== "string") text += formatMarked(element);
    else if (element === "") text += ":e";
    else text += (text === "" ? "" : ".") + escapeText(element);
  }
  return text;
}

function formatMarked(element: Exclude<PathElement, string>): string {
  if (element === null) return ":n";
  if (typeof element === "boolean") return element ? ":t" : ":f";
  if (typeof element === "number") return `:${escapeText(`${element}`)}`;
  const text = printableText(element);
  return text === undefined ? `:y${toHex(element)}` : `:v${escapeText(text)}`;
}

function escapeText(text: string): string {
  return /[:. ]/.test(text)
    ? text.replaceAll(/[:. ]/g, (char) => (char === " " ? ":_" : `:${char}`))
    : text;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function printableText(bytes: Uint8Array): string | undefined {
  try {
    const text = utf8.decode(bytes);
    return /[\p{C}\p{Zl}\p{Zp}]/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}
