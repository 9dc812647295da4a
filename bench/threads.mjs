// Remote calls between two threads: Banyan's sessions over a port against bare `postMessage`.
import { CALLS } from "./lib/calls.mjs";
import { interleave, pairRatio, processUrl } from "./lib/interleave.mjs";
import { helper, median, short } from "./lib/measure.mjs";
import { PAIRS, part, ratio, wanted } from "./lib/report.mjs";

const rows = Object.keys(CALLS).filter(wanted);

const open = (kind) => async () => {
  const { child } = await helper(processUrl("caller"), kind);
  return { caller: child, children: [child] };
};

await part(async () => {
  const numbers = await interleave(
    {
      single: { open: open("floor-thread-single") },
      batched: { open: open("floor-thread") },
      banyan: { open: open("subject-thread") },
    },
    rows,
  );
  return [
    {
      title: "Remote calls between two threads",
      says:
        "The same work over a worker's port. The floors are bare `postMessage`, one for each message, and one " +
        `for all messages of a tick. Operations a second, medians of ${PAIRS} repetitions; the ratios are ` +
        "medians of pair ratios.",
      head: [
        "work",
        "postMessage /s",
        "one a tick /s",
        "Banyan /s",
        "ratio to postMessage",
        "ratio to one a tick",
      ],
      rows: rows.map((row) => {
        const [single, batched, banyan] = ["single", "batched", "banyan"].map((name) =>
          numbers(name, row),
        );
        return [
          row,
          ...[single, batched, banyan].map((series) => short(median(series))),
          ...[single, batched].map((floor) => ratio(pairRatio(banyan, floor))),
        ];
      }),
    },
  ];
});
