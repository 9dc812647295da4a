// Remote calls between two processes: Banyan's sessions against the least that a call can cost in Node, and
// against what others offer, all in one run.
import { join } from "node:path";

import { generate } from "selfsigned";

import { CALLS, TARGETS } from "./lib/calls.mjs";
import { callerOf, cellsOf, interleave } from "./lib/interleave.mjs";
import { temporaryFolder } from "./lib/measure.mjs";
import { pythonCaller, pythonWith } from "./lib/python.mjs";
import { PAIRS, part, wanted, wantedSubject } from "./lib/report.mjs";

const rows = Object.keys(CALLS).filter(wanted);
const folder = temporaryFolder();
let sockets = 0;
const socket = () => `unix:${join(folder, `${++sockets}.sock`)}`;

const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], {
  keyType: "ec",
  extensions: [
    { name: "basicConstraints", cA: true },
    { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] },
  ],
});
const secure = { serverArgs: ["tls://127.0.0.1:0", JSON.stringify({ key, cert })] };

const floor = (address) => () =>
  callerOf("floor", { server: "floor-server", serverArgs: [address()] });
const banyan = (url) => () => callerOf("banyan", { server: "banyan-server", serverArgs: [url()] });
const capnweb = (address) => () =>
  callerOf("capnweb", { server: "capnweb-server", serverArgs: [address] });

/** A peer in Python, where there is one. */
function python(module, has) {
  const interpreter = pythonWith(module);
  if (interpreter === undefined) return {};
  const open = async () => {
    const caller = await pythonCaller(interpreter, `${module}_caller`);
    return { caller, children: [caller] };
  };
  return { [module]: { open, rows: rows.filter(has) } };
}

const subjects = {
  floorTcp: { open: floor(() => "tcp:") },
  tcp: { open: banyan(() => "tcp://127.0.0.1:0") },
  floorUnix: { open: floor(socket) },
  unix: { open: banyan(socket) },
  capnweb: { open: capnweb("tcp:") },
  capnwebWs: { open: capnweb("ws:") },
  ws: { open: banyan(() => "ws://127.0.0.1:0/") },
  tls: {
    open: () => callerOf("banyan", { server: "banyan-server", ...secure, callerArgs: [cert] }),
  },
  ...python("execnet", (row) => !/references|three/.test(row)),
  ...python("rpyc", () => true),
};
const measured = Object.fromEntries(
  Object.entries(subjects).filter(([name]) => wantedSubject(name)),
);

const HEAD = ["work", "floor /s", "Banyan /s", "ratio", "best ratio", "wanted"];

const OVER_TCP = {
  title: "Remote calls between two processes",
  says:
    "Over TCP on one machine. *Floor*: length-prefixed msgpack frames, a map of pending calls, all messages " +
    "of a tick in one write; no proxies, references or errors. *Banyan*: `connect` and `listen` of " +
    '`banyan/remote` with the capability policy and `plain: "copy"`. Operations a second, medians of ' +
    `${PAIRS} repetitions; *ratio* is the median, and *best ratio* the best, of the ratios to the floor of ` +
    "the same repetition.",
  notes: [
    "*one call at a time*: the next `add(i, 7)` leaves when the answer to the last is there.",
    "*call of a held callback*: the server calls a function of the client's 200 times for each call.",
    "*pass a callback*: a function goes with each call, is called once, and is let go.",
    "*three dependent steps*: `a(i).b(j).v()`, pipelined; the floor does it as one call.",
    "*references*: objects that stay on the server, made one a call with 64 in flight, then released.",
  ],
};

const OVER_UNIX = {
  title: "The same over a unix socket",
  says: "Both the floor and Banyan over a unix socket, in the same repetitions.",
};

const OTHERS = {
  title: "What others reach",
  says:
    "The same work in the same repetitions; operations a second, and the median ratio to the floor over TCP. " +
    "*capnweb*: over TCP with msgpack and one write a tick, which it gets from a transport of this bench, and " +
    "over a WebSocket as it is delivered. *execnet*: its `popen` gateway, which has no references; callbacks " +
    "are messages. *RPyC*: classic mode over TCP.",
  head: ["work", "Banyan", "", "capnweb TCP", "", "capnweb WS", "", "execnet", "", "RPyC", ""],
  notes: [
    "RPyC has no copies with calls in flight: its objects and bytes go one at a time, the objects by pickle, and " +
      "references are made one at a time.",
    ...["execnet", "rpyc"]
      .filter((name) => measured[name] === undefined)
      .map((name) => `**${name} was skipped**: it is not installed where this ran.`),
  ],
};

const OTHER_CHANNELS = {
  title: "Remote calls over other channels",
  says: "Banyan over TLS and over a WebSocket, against the floor over TCP. For information.",
  head: ["work", "TLS", "", "WebSocket", "", "capnweb WS", ""],
};

await part(async () => {
  const { rate, ratio, best, series } = cellsOf(await interleave(measured, rows));
  const ours = (name, base) => (row) => [
    row,
    rate(base, row),
    rate(name, row),
    ratio(name, base, row),
    best(name, base, row),
    TARGETS[row]?.process ?? "–",
  ];
  const others =
    (...names) =>
    (row) => [row, ...names.flatMap((name) => [rate(name, row), ratio(name, "floorTcp", row)])];
  return [
    { ...OVER_TCP, series, head: HEAD, rows: rows.map(ours("tcp", "floorTcp")) },
    { ...OVER_UNIX, head: HEAD, rows: rows.map(ours("unix", "floorUnix")) },
    { ...OTHERS, rows: rows.map(others("tcp", "capnweb", "capnwebWs", "execnet", "rpyc")) },
    { ...OTHER_CHANNELS, rows: rows.map(others("tls", "ws", "capnwebWs")) },
  ];
});
