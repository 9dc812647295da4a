// Remote calls between two threads: Banyan's sessions over a port against bare `postMessage` and Comlink.
import { CALLS, TARGETS } from "./lib/calls.mjs";
import { cellsOf, interleave, processUrl } from "./lib/interleave.mjs";
import { helper } from "./lib/measure.mjs";
import { PAIRS, part, wanted, wantedSubject } from "./lib/report.mjs";

const rows = Object.keys(CALLS).filter(wanted);

const open = (kind) => async () => {
  const { child } = await helper(processUrl("caller"), kind);
  return { caller: child, children: [child] };
};

const subjects = {
  single: { open: open("floor-thread-single") },
  banyan: { open: open("banyan-thread") },
  batched: { open: open("floor-thread") },
  comlink: { open: open("comlink-thread") },
};
const measured = Object.fromEntries(
  Object.entries(subjects).filter(([name]) => wantedSubject(name)),
);

await part(async () => {
  const { rate, ratio, best, series } = cellsOf(await interleave(measured, rows));
  return [
    {
      title: "Remote calls between two threads",
      series,
      says:
        "The same work over a worker's port. The floors are bare `postMessage`, one for each message, and one " +
        "for all messages of a tick. *Banyan*: `openSession(portChannel(port))`. Operations a second, medians of " +
        `${PAIRS} repetitions; *ratio* and *best* are to one \`postMessage\` a message, *a tick* to one a tick.`,
      head: [
        "work",
        "postMessage /s",
        "Banyan /s",
        "ratio",
        "best",
        "wanted",
        "one a tick /s",
        "a tick",
        "Comlink /s",
        "Comlink ratio",
      ],
      rows: rows.map((row) => [
        row,
        rate("single", row),
        rate("banyan", row),
        ratio("banyan", "single", row),
        best("banyan", "single", row),
        TARGETS[row]?.thread ?? "–",
        rate("batched", row),
        ratio("banyan", "batched", row),
        rate("comlink", row),
        ratio("comlink", "single", row),
      ]),
    },
  ];
});
