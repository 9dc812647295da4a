// Stored code: what a call costs beside a plain function's, and what it costs to load.
import { processUrl } from "./lib/interleave.mjs";
import { ask, end, helper, median } from "./lib/measure.mjs";
import { PAIRS, part, progress, wanted } from "./lib/report.mjs";

const CALLS = [
  "plain function",
  'code("bench.inc", 1)',
  'code.run("bench.inc", { a: 1 })',
  "plain async function, awaited",
  "the same, stored with `is_async: true`",
];

const LOADS = [
  "compileFunction of the text",
  "compile, link and evaluate",
  "a change below all of them, until it is live",
];

async function measure(row) {
  const times = [];
  for (let i = 0; i < PAIRS; i++) {
    const { child } = await helper(processUrl("coder"));
    times.push(await ask(child, row));
    await end(child);
  }
  progress(row);
  return median(times);
}

const nanoseconds = (ns) => (ns < 100 ? ns.toFixed(1) : String(Math.round(ns)));

await part(async () => {
  const times = new Map();
  for (const row of [...CALLS, ...LOADS].filter(wanted)) times.set(row, await measure(row));
  const table = (names, columns) => names.filter((row) => times.has(row)).map(columns);
  return [
    {
      title: "Calls of stored code",
      says:
        "`return a + 1` with one variable, in the caller's process. Nanoseconds a call; each row in processes of " +
        `its own, medians of ${PAIRS}.`,
      head: ["call", "ns"],
      rows: table(CALLS, (row) => [row, nanoseconds(times.get(row))]),
      notes: [
        "A plain function as small as this is inlined; a stored one is found by its path first, because it may have been replaced since the last call.",
      ],
    },
    {
      title: "Loading stored code",
      says:
        "100 modules in TypeScript, each of 20 small functions and importing the one before. The first row is what " +
        `V8 alone takes for the same functions as plain JavaScript. Medians of ${PAIRS}.`,
      head: ["", "time"],
      rows: table(LOADS, (row) => [
        row,
        row.startsWith("a change")
          ? `${(times.get(row) / 1e6).toFixed(1)} ms in all`
          : `${Math.round(times.get(row) / 1e3)} µs a module`,
      ]),
      notes: ["A change waits up to 20 ms for others that belong to it."],
    },
  ].filter(({ rows }) => rows.length > 0);
});
