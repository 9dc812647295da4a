import { parsePath } from "banyan";

/** What somebody may have written where the system looks for its own entries. */
export const GARBAGE: Readonly<Record<string, unknown>> = {
  number: 42,
  negative: -0,
  nan: Number.NaN,
  string: "x",
  empty: "",
  null: null,
  true: true,
  list: [1, "a", null],
  bytes: new Uint8Array([1, 2, 3]),
  bigint: 10n ** 40n,
  date: new Date(0),
  path: parsePath("a.b"),
  error: new Error("stored"),
  object: {},
  proto: JSON.parse('{"__proto__":{"code":"x"},"constructor":1,"then":2,"toString":3,"toJSON":4}'),
  huge: "x".repeat(3_000_000),
  wide: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, i])),
  deep: nested(60),

  job: { code: 5, data: "x", place: [], target: "soon", repeat: -1, delay: Number.NaN },
  job2: { code: "healthy", place: { any: "x", node: "n1" }, executor: "rocket", labels: 5 },
  job3: { code: ["healthy", {}], timeout: Infinity, jitter: 7, enabled: "no", target: {} },
  job4: { code: "healthy", unknown: 1, target: null },
  job5: { code: "healthy", place: { node: "" } },

  proc: { code: 5 },
  proc2: { code: "return", vars: { a: 1 }, is_async: "yes" },
  proc3: { code: "let x = ;\u0000\u2028", vars: ["a-b"], requires: 5 },
  proc4: { code: "[".repeat(100_000) },
  proc5: { code: 'import "tree:bad.proc5"; import "tree:no.such"; import "no-such-package"' },
  proc6: { code: "throw { toString() { throw 1 } }", is_async: true },

  owner: { node: "n1", lease: "no-such-lease", claim: {} },
  owner2: { node: 5, lease: null },
  owner3: { node: "no.such.node", lease: "x", claim: "y" },

  node: { id: 5, lease: { length: "x" }, groups: "default" },
  node2: nodeEntry({ lease: { length: 1e-9, renewal: -1, margin: 1e9 }, pid: -1, start: -1 }),
  node3: nodeEntry({ lease: { length: 1, renewal: 1e300, margin: -1e300 }, slots: -5, load: 1e9 }),
  node4: nodeEntry({ hostname: 5 }),
  node5: nodeEntry({ host: "", ended: "x", ended_by: {}, running: -1e300 }),

  state: { started: "x", stopped: null, node: 5, token: "x", run: 1, backoff: -3 },
  state2: { started: 1, stopped: 2, node: "n1", token: 3, run: "3", backoff: 1e9, code: 5 },
  state3: { started: 1, stopped: 2, node: {}, token: 1e300, run: [], backoff: -1, again: "never" },
  state4: { started: 9e15, stopped: null, node: "n1", token: 1, run: "1", backoff: 0, code: "" },

  run: { id: 1, job: "x", node: 5, token: "y", started: [], outcome: "maybe", error: 5 },
  errors: { count: "x", first: {}, last: null, message: 5, nodes: [1, 2], trace: 7 },
  errors2: { count: 1, first: 1, last: 1, message: "m", nodes: { a: 5, b: null }, trace: "t" },
};

/** Sound at first sight, and lacking or overdoing the rest. */
function nodeEntry(odd: object): object {
  return {
    id: "somebody",
    lease: { length: 1, renewal: 0.2, margin: 0.1 },
    pid: 1,
    start: 0,
    host: "elsewhere",
    hostname: "elsewhere",
    groups: ["default"],
    types: ["any", "single", "all"],
    labels: {},
    load: 0,
    slots: 1,
    running: 0,
    beat: 0,
    ...odd,
  };
}

function nested(depth: number): unknown {
  return depth === 0 ? 1 : { inner: nested(depth - 1) };
}
