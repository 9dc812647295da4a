import { parse } from "es-module-lexer";

/** Where a static import statement stands, without the semicolon after it. */
export interface ImportSpan {
  readonly start: number;
  readonly end: number;
}

interface ExportMark {
  /** `*` for everything of another module. */
  readonly name: string;
  readonly start: number;
  readonly typeOnly: boolean;
}

export interface Scan {
  readonly imports: readonly ImportSpan[];
  readonly exports: readonly ExportMark[];
}

/**
 * Finds imports and exports in text that still has its types and may have a `return` outside of any
 * function. `undefined` where the text is too broken for it: a parser then says what is wrong.
 */
export function scan(text: string): Scan | undefined {
  try {
    const [imports, exports] = parse(text);
    return {
      imports: imports
        .filter(({ type }) => type === "static")
        .map(({ importStart, importEnd }) => ({ start: importStart, end: importEnd })),
      exports: exports.map((mark) => ({
        name: "name" in mark ? mark.name : "*",
        start: mark.exportStart,
        typeOnly: mark.typeOnly,
      })),
    };
  } catch {
    return undefined;
  }
}
