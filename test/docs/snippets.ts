import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One fenced block of a document. */
export interface Snippet {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** What it prints, where a ```text block follows it directly. */
  readonly output: string | undefined;
}

const FENCE = /^```(\w*)\s*$/;

/** README.md and everything in docs/, in order. */
export function documents(root: string): string[] {
  const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" });
  return ["README.md", ...docs.filter((name) => name.endsWith(".md")).map((n) => join("docs", n))];
}

/** The blocks of one document. */
export function snippetsOf(root: string, file: string): Snippet[] {
  const lines = readFileSync(join(root, file), "utf8").split("\n");
  const blocks: { line: number; end: number; language: string; text: string }[] = [];
  for (let i = 0; i < lines.length; i++) {
    const language = FENCE.exec(lines[i] ?? "")?.[1];
    if (language === undefined) continue;
    const start = i + 1;
    for (i = start; i < lines.length && lines[i] !== "```"; i++);
    blocks.push({ line: start + 1, end: i, language, text: lines.slice(start, i).join("\n") });
  }
  return blocks
    .filter(({ language }) => language !== "text")
    .map(({ line, end, language, text }) => {
      const next = blocks.find((block) => block.line > line);
      const follows =
        next?.language === "text" &&
        lines.slice(end + 1, next.line - 2).every((between) => between.trim() === "");
      return { file, line, language, text, output: follows ? next.text : undefined };
    });
}
