// Repetitions of several subjects, one after the other for each row, in fresh processes each time.
import { ask, end, helper, median, short } from "./measure.mjs";
import { bestRatio, medianRatio, PAIRS, progress } from "./report.mjs";

export const processUrl = (name) => new URL(`../processes/${name}.mjs`, import.meta.url);

/**
 * `subjects` maps a name to `{ open, rows }`: `open()` starts what it needs and resolves with
 * `{ caller, children }`, which are ended in that order after the repetition; `rows` says which rows it
 * has (all by default); `measure(row, opened)` gives a number (what `caller` answers by default).
 * Every other repetition walks the subjects backwards. Resolves with a function that gives the numbers
 * of a subject and row, in the order of repetitions; `undefined` where it has no such row.
 */
export async function interleave(subjects, rows) {
  const numbers = new Map();
  for (let repetition = 1; repetition <= PAIRS; repetition++) {
    const open = new Map();
    for (const [name, subject] of Object.entries(subjects)) open.set(name, await subject.open());
    const turns = repetition % 2 === 1 ? [...open] : [...open].toReversed();
    for (const [at, row] of rows.entries()) {
      progress(`repetition ${repetition} of ${PAIRS}, row ${at + 1} of ${rows.length}: ${row}`);
      for (const [name, opened] of turns) {
        const { rows: has, measure = askCaller } = subjects[name];
        if (has?.includes(row) === false) continue;
        const key = keyOf(name, row);
        numbers.set(key, [...(numbers.get(key) ?? []), await measure(row, opened)]);
      }
    }
    for (const { children } of open.values()) for (const child of children) await end(child);
  }
  const get = (name, row) => numbers.get(keyOf(name, row));
  get.all = numbers;
  return get;
}

const askCaller = (row, { caller }) => ask(caller, row);

const keyOf = (name, row) => `${name} ${row}`;

/** The ratios of neighbours: what the machine did meanwhile cancels out. */
function ratios(ours, floor) {
  return ours.map((number, i) => number / floor[i]);
}

/** Their median. */
export function pairRatio(ours, floor) {
  return median(ratios(ours, floor));
}

/** Cells of a table from what `interleave` resolves with; a dash where a subject has no such row. */
export function cellsOf(numbers) {
  const against = (of) => (name, base, row) => {
    const [series, bases] = [numbers(name, row), numbers(base, row)];
    return series === undefined || bases === undefined ? "–" : of(ratios(series, bases));
  };
  return {
    rate: (name, row) => {
      const series = numbers(name, row);
      return series === undefined ? "–" : short(median(series));
    },
    /** Every number, for `--json`. */
    series: Object.fromEntries(numbers.all),
    ratio: against(medianRatio),
    best: against(bestRatio),
  };
}

/** A caller of `kind` and the server it calls, as `interleave` wants them. */
export async function callerOf(kind, { server, serverArgs, callerArgs = [] }) {
  const serving = await helper(processUrl(server), ...serverArgs);
  const calling = await helper(processUrl("caller"), kind, serving.ready, ...callerArgs);
  return { caller: calling.child, children: [calling.child, serving.child] };
}
