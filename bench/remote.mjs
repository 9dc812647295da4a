// Remote calls between two processes: Banyan's sessions against the least that a call can cost in Node.
import { join } from "node:path";

import { CALLS } from "./lib/calls.mjs";
import { callerOf, interleave, pairRatio } from "./lib/interleave.mjs";
import { median, short, temporaryFolder } from "./lib/measure.mjs";
import { PAIRS, part, ratio, wanted } from "./lib/report.mjs";

const rows = Object.keys(CALLS).filter(wanted);

await part(async () => {
  const folder = temporaryFolder();
  let sockets = 0;
  const open = (kind, server) => () =>
    callerOf(kind, { server, socket: join(folder, `${++sockets}.sock`) });
  const numbers = await interleave(
    {
      floor: { open: open("floor-socket", "floor-server") },
      banyan: { open: open("subject-socket", "subject-server") },
    },
    rows,
  );
  return [
    {
      title: "Remote calls between two processes",
      says:
        "Over a unix socket. *Floor*: length-prefixed msgpack frames, a map of pending calls, all messages of a " +
        "tick in one write; no proxies, references or errors. *Banyan*: a session of `banyan/remote` with the " +
        `capability policy and \`plain: "copy"\`. Operations a second, medians of ${PAIRS} repetitions.`,
      head: ["work", "floor /s", "Banyan /s", "ratio of medians", "median of pair ratios"],
      rows: rows.map((row) => {
        const [floor, banyan] = [numbers("floor", row), numbers("banyan", row)];
        const [atFloor, atBanyan] = [median(floor), median(banyan)];
        const cells = [short(atFloor), short(atBanyan), ratio(atBanyan / atFloor)];
        return [row, ...cells, ratio(pairRatio(banyan, floor))];
      }),
      notes: [
        "*one call at a time*: the next `add(i, 7)` leaves when the answer to the last is there.",
        "*call of a held callback*: the server calls a function of the client's 200 times for each call.",
        "*pass a callback*: a function goes with each call, is called once, and is let go.",
        "*three dependent steps*: `a(i).b(j).v()`, pipelined; the floor does it as one call.",
        "*references*: objects that stay on the server, made one a call with 64 in flight, then released.",
      ],
    },
  ];
});
