// Repetitions of several subjects, one after the other for each row, in fresh processes each time.
import { ask, end, helper, median } from "./measure.mjs";
import { PAIRS, progress } from "./report.mjs";

export const processUrl = (name) => new URL(`../processes/${name}.mjs`, import.meta.url);

/**
 * `subjects` maps a name to `{ open, rows }`: `open()` starts what it needs and resolves with
 * `{ caller, children }`, which are ended in that order after the repetition; `rows` says which rows it
 * has (all by default); `measure(row, opened)` gives a number (what `caller` answers by default).
 * Resolves with a function that gives the numbers of a subject and row, in the order of repetitions.
 */
export async function interleave(subjects, rows) {
  const numbers = new Map();
  for (let repetition = 1; repetition <= PAIRS; repetition++) {
    progress(`repetition ${repetition} of ${PAIRS}`);
    const open = new Map();
    for (const [name, subject] of Object.entries(subjects)) open.set(name, await subject.open());
    for (const row of rows) {
      for (const [name, opened] of open) {
        const { rows: has, measure = askCaller } = subjects[name];
        if (has?.includes(row) === false) continue;
        const key = keyOf(name, row);
        numbers.set(key, [...(numbers.get(key) ?? []), await measure(row, opened)]);
      }
    }
    for (const { children } of open.values()) for (const child of children) await end(child);
  }
  return (name, row) => numbers.get(keyOf(name, row));
}

const askCaller = (row, { caller }) => ask(caller, row);

const keyOf = (name, row) => `${name} ${row}`;

/** The median of the ratios of neighbours: what the machine did meanwhile cancels out. */
export function pairRatio(ours, floor) {
  return median(ours.map((number, i) => number / floor[i]));
}

/** A caller of `kind` and the server it calls, as `interleave` wants them. */
export async function callerOf(kind, { server, socket }) {
  const serving = await helper(processUrl(server), socket);
  const calling = await helper(processUrl("caller"), kind, socket);
  return { caller: calling.child, children: [calling.child, serving.child] };
}
