// Reading in a process that is not the one that keeps the data: 100,000 entries of 128 characters in groups of
// 10,000. Every result is checked.
import { open as openTree } from "banyan";
import { open as openLmdb } from "lmdb";

import { openRedis } from "./redis.mjs";
import { rate, syncRate } from "./measure.mjs";

const KEYS = 100_000;
const GROUP = 10_000;
const STRIDE = 7919;

const value = (i) => String(i).padStart(12, "0") + "v".repeat(116);
const name = (i, dot) => `k${Math.floor(i / GROUP)}${dot}${String(i % GROUP).padStart(6, "0")}`;
const spread = (i) => (i * STRIDE) % KEYS;

/** What a client does that may not read in place, as one in a thread. */
export const OVER_SOCKET = "get, 64 in flight, over the socket";

export const READS = {
  "get, one at a time": (api) => {
    const keys = Array.from({ length: KEYS }, (_, i) => name(i, api.dot));
    if (!api.sync) return rate(async (i) => check(await api.get(keys[spread(i)]), spread(i)));
    return syncRate((i) => check(api.get(keys[spread(i)]), spread(i)), { block: 100 });
  },
  "get, 64 in flight": (api) => getMany(api),
  // 64 of them are one message, and the code for messages is compiled when it has run some thousand times.
  [OVER_SOCKET]: (api) => getMany(api, { warmMs: 1_500 }),
  "scan of 10,000": (api) =>
    rate(async () => {
      if ((await api.scan("k3")) !== GROUP) throw new Error("wrong result: scan");
    }),
};

function getMany(api, options) {
  const keys = Array.from({ length: KEYS }, (_, i) => name(i, api.dot));
  return rate(async (i) => check(await api.get(keys[spread(i)]), spread(i)), { k: 64, ...options });
}

function check(found, i) {
  if (found !== value(i)) throw new Error(`wrong result: get ${i}`);
}

async function fill(dot, put) {
  for (let at = 0; at < KEYS; at += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, i) => put(name(at + i, dot), value(at + i))));
  }
}

export const fills = {
  lmdb: async (folder) => {
    const store = openLmdb({ path: folder, encoding: "string" });
    await fill("/", (key, text) => store.put(key, text));
    await store.close();
  },
  redis: async (socket) => {
    const redis = await openRedis(socket);
    await fill("/", (key, text) => redis.call("SET", key, text));
    redis.end();
  },
  banyan: async (folder) => {
    const tree = await openTree(folder, { create: true });
    await fill(".", (path, text) => tree.set(path, text));
    await tree.close();
  },
};

export const openReads = {
  lmdb: async (folder) => {
    const store = openLmdb({ path: folder, encoding: "string", readOnly: true });
    return {
      dot: "/",
      sync: true,
      get: (key) => store.get(key),
      scan: (top) => {
        let count = 0;
        for (const { value: text } of store.getRange({ start: `${top}/`, end: `${top}0` })) {
          count += text.length === 128 ? 1 : 0;
        }
        return count;
      },
    };
  },
  redis: async (socket) => {
    const redis = await openRedis(socket);
    return {
      dot: "/",
      get: (key) => redis.call("GET", key),
      scan: async (top) => {
        let count = 0;
        for (let cursor = "0"; ;) {
          const [next, keys] = await redis.call(
            "SCAN",
            cursor,
            "MATCH",
            `${top}/*`,
            "COUNT",
            "5000",
          );
          const texts = keys.length === 0 ? [] : await redis.call("MGET", ...keys);
          for (const text of texts) count += text.length === 128 ? 1 : 0;
          if (next === "0") return count;
          cursor = next;
        }
      },
    };
  },
  banyan: async (folder) => {
    const tree = await openTree(folder);
    while (tree.engine.direct === undefined) await tree.get("nothing");
    return readsOf(tree);
  },

  /** To be called where nothing is read in place, as in a thread. */
  socket: async (folder) => {
    const tree = await openTree(folder);
    for (let i = 0; i < 100; i++) await tree.get("nothing");
    if (tree.engine.direct !== undefined) throw new Error("this would not go over the socket");
    return readsOf(tree);
  },
};

function readsOf(tree) {
  return {
    dot: ".",
    get: (path) => tree.get(path),
    scan: async (top) => {
      let count = 0;
      for await (const page of tree.walk(top).pages()) {
        for (const entry of page) count += entry.value.length === 128 ? 1 : 0;
      }
      return count;
    },
  };
}
