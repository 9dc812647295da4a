// Sync proxies: one property get at a time, by blocking, against the least that a round trip can cost, and RPyC.
import { cellsOf, interleave, processUrl } from "./lib/interleave.mjs";
import { helper } from "./lib/measure.mjs";
import { pythonCaller, pythonWith } from "./lib/python.mjs";
import { PAIRS, part, wanted } from "./lib/report.mjs";

const PROCESS = "get from another process";
const THREAD = "get from a worker to its parent";
const BY_PROXIES = "the same, parent with proxies too";
/** What the work was begun with: the ratio to the floor. */
const TARGETS = { [PROCESS]: "0.70, and 3 times RPyC", [THREAD]: "0.75", [BY_PROXIES]: "0.75" };

/** A server of `kind`, and a caller of it. */
const ofProcess = (kind) => async () => {
  const serving = await helper(processUrl("sync-server"), kind);
  const calling = await helper(processUrl("sync-caller"), kind, serving.ready);
  return { caller: calling.child, children: [calling.child, serving.child] };
};

const ofThread = (kind) => async () => {
  const { child } = await helper(processUrl("sync-caller"), kind);
  return { caller: child, children: [child] };
};

const interpreter = pythonWith("rpyc");
async function ofRpyc() {
  const caller = await pythonCaller(interpreter, "rpyc_sync_caller");
  return { caller, children: [caller] };
}

const subjects = {
  floor: { open: ofProcess("floor"), rows: [PROCESS] },
  ...(interpreter === undefined ? {} : { rpyc: { open: ofRpyc, rows: [PROCESS] } }),
  banyan: { open: ofProcess("banyan"), rows: [PROCESS] },
  atomics: { open: ofThread("atomics"), rows: [THREAD, BY_PROXIES] },
  thread: { open: ofThread("thread"), rows: [THREAD] },
  "thread-proxies": { open: ofThread("thread-proxies"), rows: [BY_PROXIES] },
};

/** What is compared in each row. */
const COMPARED = {
  [PROCESS]: { floor: "floor", banyan: "banyan" },
  [THREAD]: { floor: "atomics", banyan: "thread" },
  [BY_PROXIES]: { floor: "atomics", banyan: "thread-proxies" },
};

const rows = Object.keys(COMPARED).filter(wanted);
const isMeasured = ([, subject]) => rows.some((row) => subject.rows.includes(row));

await part(async () => {
  const measured = Object.fromEntries(Object.entries(subjects).filter(isMeasured));
  const { rate, ratio, best, series } = cellsOf(await interleave(measured, rows));
  return [
    {
      title: "Synchronous property gets",
      says:
        "`thing.x` again and again, where each get blocks its thread until it is answered. *Floor* between " +
        "processes: one awaited `add` at a time over TCP, as in the other tables. *Floor* between threads: bare " +
        "`Atomics.wait` and `notify` there and back, nothing else. The other side of Banyan's serves from its " +
        `event loop. Operations a second, medians of ${PAIRS} repetitions; *ratio* is the median, and *best ` +
        "ratio* the best, of the ratios to the floor of the same repetition. *RPyC*: classic mode over TCP, and " +
        "the median of Banyan's ratios to it.",
      series,
      head: [
        "work",
        "floor /s",
        "Banyan /s",
        "ratio",
        "best ratio",
        "RPyC /s",
        "to RPyC",
        "wanted",
      ],
      rows: rows.map((row) => {
        const { floor, banyan } = COMPARED[row];
        const rates = [rate(floor, row), rate(banyan, row)];
        const ratios = [ratio(banyan, floor, row), best(banyan, floor, row)];
        const rpyc = [rate("rpyc", row), ratio(banyan, "rpyc", row)];
        return [row, ...rates, ...ratios, ...rpyc, TARGETS[row]];
      }),
      notes: [
        "A thread that waits for a thread looks for the answer a moment before it sleeps, where that has paid " +
          "lately: on a machine with a free core it is not woken at all, and faster than the floor.",
        "Between processes as well, both sides look for a moment before they sleep, where there are two cores for it: " +
          "on a machine that is busy with other work there are not, and they are woken as the others are.",
        ...(interpreter === undefined
          ? ["**RPyC was skipped**: it is not installed where this ran."]
          : []),
      ],
    },
  ];
});
