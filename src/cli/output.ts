import { createRequire } from "node:module";

import type Table from "cli-table3";
import { colorsFor } from "./colors.ts";
import { bytesOf, toJson } from "./plain.ts";
import { Screen } from "./screen.ts";
import { stringifyJson } from "../node/json.ts";
import { toYaml } from "../node/yaml.ts";

const require = createRequire(import.meta.url);

export const FORMATS = ["table", "json", "jsonl", "yaml", "raw"] as const;
export type Format = (typeof FORMATS)[number];

/** One column of a table: its head and how a row's cell is made. */
export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
}

/** A table whose rows are to be shown in the place of those before. */
export interface LiveTable<Row> {
  draw(rows: readonly Row[]): void;
}

/** Where output goes. */
export interface OutputStreams {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** Data goes to stdout in the format that was asked for; everything else to stderr. */
export class Output {
  readonly format: Format;
  /** Whether somebody asked for that format. */
  readonly isChosen: boolean;
  readonly #streams: OutputStreams;
  readonly #quiet: boolean;

  constructor(options: { format: Format | undefined; quiet: boolean; streams: OutputStreams }) {
    this.format = options.format ?? "table";
    this.isChosen = options.format !== undefined;
    this.#quiet = options.quiet;
    this.#streams = options.streams;
  }

  /** Whether a person looks at stdout. */
  get isTerminal(): boolean {
    return this.#streams.stdout.isTTY === true;
  }

  /** A list of things: a table for people, an array or a line each for programs. */
  rows<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    if (this.format === "json") this.#line(stringifyJson(rows.map(toJson), 2));
    else if (this.format === "jsonl") for (const row of rows) this.event(row);
    else if (this.format === "yaml") this.#write(toYaml(rows));
    else if (this.format === "raw" || !this.isTerminal) this.#tabbed(rows, columns);
    else this.#table(rows, columns);
  }

  /**
   * A table that changes: for people it is drawn anew in its place, until the signal; a program is to be given
   * each change. Undefined where there is no terminal that could do it.
   */
  liveTable<Row>(columns: readonly Column<Row>[]): LiveTable<Row> | undefined {
    const { stdout, env } = this.#streams;
    if (!this.isTerminal || this.format !== "table" || env["TERM"] === "dumb") return undefined;
    const screen = new Screen(stdout);
    return {
      draw: (rows) => screen.draw(rows.length === 0 ? "nothing here" : this.#drawn(rows, columns)),
    };
  }

  /** One row of a stream, at once. */
  row<Row>(row: Row, columns: readonly Column<Row>[]): void {
    this.event(row, tabbed(row, columns));
  }

  /** One value, complete. `raw` and `table` give text and bytes as they are. */
  value(value: unknown): void {
    if (this.format === "json") this.#line(stringifyJson(toJson(value), 2));
    else if (this.format === "jsonl") this.event(value);
    else if (this.format === "yaml") this.#write(toYaml(value));
    else if (typeof value === "string") this.#line(value);
    else if (this.format === "raw" && typeof value === "object" && value !== null) {
      const bytes = bytesOf(value);
      if (bytes === undefined) this.#line(stringifyJson(toJson(value)));
      else this.#streams.stdout.write(bytes);
    } else this.#line(inline(value));
  }

  /** One event of a stream: a line at once. `text` is what people see. */
  event(event: unknown, text?: string): void {
    if (text === undefined || this.format === "json" || this.format === "jsonl") {
      this.#line(stringifyJson(toJson(event)));
    } else if (this.format === "yaml") this.#write(`---\n${toYaml(event)}`);
    else this.#line(printable(text));
  }

  /** What happened, for people: stderr, and not when quiet. */
  note(text: string): void {
    if (!this.#quiet) this.#streams.stderr.write(`${text}\n`);
  }

  /** What went wrong, for people: always, on stderr. */
  complain(text: string): void {
    this.#streams.stderr.write(`${text}\n`);
  }

  #table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    if (rows.length === 0) return this.note("nothing here");
    this.#line(this.#drawn(rows, columns));
  }

  #drawn<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
    // Only people see tables.
    const TextTable = require("cli-table3") as typeof Table;
    const { bold } = colorsFor(this.#streams.stdout, this.#streams.env);
    const table = new TextTable({
      head: columns.map(({ head }) => bold(head)),
      chars: PLAIN_CHARS,
      style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    });
    for (const row of rows) table.push(columns.map(({ cell }) => printable(cell(row))));
    return table.toString();
  }

  /** A pipe gets one row a line, cells divided by tabs, no head and no colours. */
  #tabbed<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    for (const row of rows) this.#line(tabbed(row, columns));
  }

  #line(text: string): void {
    this.#write(`${text}\n`);
  }

  #write(text: string): void {
    this.#streams.stdout.write(text);
  }
}

function tabbed<Row>(row: Row, columns: readonly Column<Row>[]): string {
  const cells = columns.map(({ cell }) => printable(cell(row).replaceAll(/[\t\n]/g, " ")));
  return cells.join("\t");
}

/** A value on one line, as a table's cell shows it. */
export function inline(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  return stringifyJson(toJson(value));
}

/** Others wrote it: what would move the cursor of a terminal, or do worse, is spelt out. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what it is about
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (control) => {
    return `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/** Cuts long text so that a table keeps its shape. */
export function clip(text: string, width = 60): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

/** How long ago, as people say it: "3s", "12m", "5h", "8d". Seconds since 1970 come in. */
export function ago(seconds: number | undefined | null, nowMs: number): string {
  if (seconds === undefined || seconds === null || seconds === 0) return "";
  const age = Math.max(0, nowMs / 1000 - seconds);
  if (age < 60) return `${Math.floor(age)}s`;
  if (age < 3600) return `${Math.floor(age / 60)}m`;
  if (age < 86_400) return `${Math.floor(age / 3600)}h`;
  return `${Math.floor(age / 86_400)}d`;
}

const PLAIN_CHARS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "",
};
