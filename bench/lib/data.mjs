// The workload of data, the same for LMDB, the floor of a hub and the tree, after `lib/kv.mjs` of the fixed
// floor: two subtrees of 10,000 entries each, values of 128 characters. Every result is checked.
import { setTimeout as pause } from "node:timers/promises";

import { rate, syncRate } from "./measure.mjs";

const KEYS = 10_000;
/** As for the other rows: what is run again and again is compiled by then. */
const WATCH_BUSY = 5_000;
/** Those that don't count: the first of them without pauses, and some with. */
export const WATCH_WARM = WATCH_BUSY + 500;
export const WATCH_PUTS = WATCH_WARM + 500;

const STRIDE = 7919;

const name = (i) => String(i % KEYS).padStart(6, "0");
const value = (i) => String(i).padStart(12, "0") + "v".repeat(116);

/** A value that says when it was written; `age` gives how long ago that was, in microseconds. */
const stamp = () => String(process.hrtime.bigint()).padStart(20, "0") + "w".repeat(108);
export const age = (stamped) =>
  Number(process.hrtime.bigint() - BigInt(stamped.slice(0, 20))) / 1e3;

function expect(ok, what) {
  if (!ok) throw new Error(`wrong result: ${what}`);
}

/** Puts for a watcher, in the end with pauses: this is about how soon, not how much. */
export async function putForWatcher(api) {
  for (let i = 0; i < WATCH_PUTS; i++) {
    await (api.commit ?? api.put)(`w${api.dot}${i % 50}`, stamp());
    if (i >= WATCH_BUSY) await pause(2);
  }
}

/** Fills the store, and looks whether that worked. */
export async function fill(api) {
  for (const top of ["k", "z"]) {
    for (let at = 0; at < KEYS; at += 500) {
      const numbers = Array.from({ length: 500 }, (_, i) => at + i);
      await Promise.all(numbers.map((i) => api.put(`${top}${api.dot}${name(i)}`, value(i))));
    }
  }
  expect((await api.get(`k${api.dot}${name(4321)}`)) === value(4321), "fill");
}

/** Rows of writes that don't wait for the disk. */
export const COMMITS = ["put (commit), one at a time", "put (commit), 64 in flight"];

export const DATA = {
  "get, one at a time": (api) => {
    const key = keys(api);
    if (!api.sync) return rate(get(api, key));
    return syncRate((i) => expect(api.get(key(i)) === value(spread(i)), "get"), { block: 100 });
  },
  "get, 64 in flight": (api) => rate(get(api, keys(api)), { k: 64 }),
  "list of 10,000 (entries)": async (api) => {
    const lists = await rate(async () => expect((await api.list("k")) === KEYS, "list"));
    return lists * KEYS;
  },
  "put, one at a time": (api) => rate(put(api)),
  "put, 64 in flight": (api) => rate(put(api), { k: 64 }),
  [COMMITS[0]]: (api) => rate(put(api, "commit")),
  [COMMITS[1]]: (api) => rate(put(api, "commit"), { k: 64 }),
};

const spread = (i) => (i * STRIDE) % KEYS;

/** Keys are made ahead, so that their text costs nobody anything. */
function keys(api) {
  const all = Array.from({ length: KEYS }, (_, i) => `k${api.dot}${name(i)}`);
  return (i) => all[spread(i)];
}

function get(api, key) {
  return async (i) => expect((await api.get(key(i))) === value(spread(i)), "get");
}

let puts = 1e6;

/** Always a new value. */
function put(api, how = "put") {
  const key = keys(api);
  return (i) => api[how](key(i), value(puts++));
}
