// What a part of the bench is, and how its tables come out.
import { median } from "./measure.mjs";

export const PAIRS = Number(process.env.BENCH_REPEAT ?? 5);

/** Whether `name` is among the rows that were asked for. */
export function wanted(name) {
  const rows = process.env.BENCH_ROWS ?? "";
  return rows === "" || new RegExp(rows, "i").test(name);
}

/** Whether the subject `name` is among those that were asked for. */
export function wantedSubject(name) {
  const names = process.env.BENCH_SUBJECTS ?? "";
  return names === "" || new RegExp(names, "i").test(name);
}

export function progress(text) {
  process.stderr.write(`  ${text}\n`);
}

/**
 * Runs a part: `measure` gives its tables, each with `title`, `says` (what was done, in a few lines),
 * `head`, `rows`, and `notes` (what rows mean). They go to the parent if there is one, else to stdout.
 */
export async function part(measure) {
  const tables = await measure();
  if (process.send === undefined) process.stdout.write(`${tables.map(markdown).join("\n")}\n`);
  else await new Promise((sent) => process.send(tables, sent));
  process.exit(0);
}

export function markdown({ title, says, head, rows, notes = [] }) {
  const right = head.map((_, i) => (i === 0 ? "---" : "--:"));
  const table = [line(head), line(right), ...rows.map(line)];
  const list = notes.length === 0 ? [] : ["", ...notes.map((note) => `- ${note}`)];
  return [`## ${title}`, "", says, "", ...table, ...list, ""].join("\n");
}

function line(cells) {
  return `| ${cells.join(" | ")} |`;
}

/** The ratio of two numbers, as 0.85. */
export function ratio(number) {
  return number.toFixed(number < 0.095 ? 3 : 2);
}

export function medianRatio(numbers) {
  return ratio(median(numbers));
}

export function bestRatio(numbers) {
  return ratio(Math.max(...numbers));
}
