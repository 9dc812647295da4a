import { randomUUID } from "node:crypto";

/** Texts, which are skipped, and numbers. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/gu;
/** The shortest whole number that a JavaScript number may not hold has so many digits. */
const LONG = /\d{16}/u;
/** One with so large an exponent may be larger than any JavaScript number. */
const HUGE = /[eE]\+?\d{3}/u;
const WHOLE = /^-?\d+$/u;

/**
 * What `JSON.parse` gives, but for whole numbers that a JavaScript number would round: they are bigints.
 *
 * @throws SyntaxError as `JSON.parse` does, and for numbers that are larger than any JavaScript number
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (!LONG.test(text) && !HUGE.test(text)) return value;
  const mark = `${randomUUID()} `;
  let any = false;
  const marked = text.replace(TOKENS, (token) => {
    const isNumber = !token.startsWith('"');
    if (isNumber && !WHOLE.test(token) && !Number.isFinite(Number(token))) {
      throw new SyntaxError(`${token} is larger than any number`);
    }
    if (!WHOLE.test(token) || Number.isSafeInteger(Number(token))) return token;
    any = true;
    return `"${mark}${token}"`;
  });
  if (!any) return value;
  return JSON.parse(marked, (_name, item: unknown) =>
    typeof item === "string" && item.startsWith(mark) ? BigInt(item.slice(mark.length)) : item,
  );
}

/**
 * As `JSON.stringify`, which writes -0 as 0.
 *
 * @param change is asked what is to be written in the place of a value
 */
export function stringifyJson(
  value: unknown,
  space?: number,
  change: (item: unknown) => unknown = (item) => item,
): string {
  let mark: string | undefined;
  const text = JSON.stringify(
    value,
    (_name, item: unknown) => (Object.is(item, -0) ? (mark ??= randomUUID()) : change(item)),
    space,
  );
  return mark === undefined ? text : text.replaceAll(`"${mark}"`, "-0");
}

/** Whether `JSON.stringify` writes a number so that it would be read as a bigint. */
export function looksLikeBigint(value: number): boolean {
  return !Number.isSafeInteger(value) && WHOLE.test(String(value));
}
