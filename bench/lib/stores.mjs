// What data is kept in, behind one face: get, put, list, watch. `dot` is what separates the parts of a key.
import { once } from "node:events";
import { connect } from "node:net";

import { open as openTree } from "banyan";
import { Redis } from "ioredis";
import { open as openLmdb } from "lmdb";

import { Floor } from "./floor.mjs";
import { openRedis } from "./redis.mjs";

export const STORES = {
  /** In this process. A put resolves when it is on disk. */
  lmdb: async (folder) => {
    const store = openLmdb({ path: folder, encoding: "string" });
    return {
      dot: "/",
      sync: true,
      get: (key) => store.get(key),
      put: async (key, value) => {
        await store.put(key, value);
        await store.flushed;
      },
      list: (top) => {
        let count = 0;
        for (const { value } of store.getRange({ start: `${top}/`, end: `${top}/\uFFFF` })) {
          count += value.length === 128 ? 1 : 0;
        }
        return count;
      },
    };
  },

  floor: async (socket) => {
    const connection = connect(socket);
    await once(connection, "connect");
    let changed;
    // What is pushed wants no answer.
    const floor = new (class extends Floor {
      message(message) {
        if (message[2] === "changed" && message[0] === 1) changed(message[4]);
        else super.message(message);
      }
    })({}, (chunks, size) => connection.write(Buffer.concat(chunks, size)));
    connection.on("data", (chunk) => floor.data(chunk));
    return {
      dot: "/",
      get: (key) => floor.call("get", key),
      put: (key, value) => floor.call("put", key, value),
      list: async (top) => {
        const found = await floor.call("list", `${top}/`);
        return found.filter((text, i) => i % 2 === 1 && text.length === 128).length;
      },
      watch: async (top, onValue) => {
        changed = onValue;
        await floor.call("watch", `${top}/`);
      },
    };
  },

  /** Keeps nothing on disk; a watcher is told of the key, and gets the value then. */
  redis: async (socket) => {
    const redis = await openRedis(socket);
    return {
      dot: "/",
      get: (key) => redis.call("GET", key),
      put: (key, value) => redis.call("SET", key, value),
      watch: async (top, onValue) => {
        const prefix = "__keyspace@0__:";
        const events = await openRedis(socket, ([, , channel]) => {
          void redis.call("GET", channel.slice(prefix.length)).then(onValue);
        });
        await redis.call("CONFIG", "SET", "notify-keyspace-events", "K$");
        await events.call("PSUBSCRIBE", `${prefix}${top}/*`);
      },
    };
  },

  /** By the client that most use. */
  ioredis: async (port) => {
    const redis = new Redis(Number(port), "127.0.0.1");
    return {
      dot: "/",
      get: (key) => redis.get(key),
      put: (key, value) => redis.set(key, value),
      watch: async (top, onValue) => {
        const prefix = "__keyspace@0__:";
        // Its look whether the server is ready may come behind the subscription, which was lost then.
        const events = new Redis(Number(port), "127.0.0.1", { enableReadyCheck: false });
        events.on("pmessage", (_, channel) => {
          void redis.get(channel.slice(prefix.length)).then(onValue);
        });
        await redis.config("SET", "notify-keyspace-events", "K$");
        await events.psubscribe(`${prefix}${top}/*`);
      },
    };
  },

  banyan: async (folder) => {
    const tree = await openTree(folder, { create: true });
    return {
      dot: ".",
      get: (path) => tree.get(path),
      put: (path, value) => tree.set(path, value, { durability: "flushed" }),
      commit: (path, value) => tree.set(path, value),
      list: async (top) => {
        let count = 0;
        for await (const { entry } of tree.list(top)) count += entry.value.length === 128 ? 1 : 0;
        return count;
      },
      watch: async (top, onValue) => {
        const events = tree.watch(top)[Symbol.asyncIterator]();
        for (;;) {
          const { value } = await events.next();
          if (value.type === "ready") break;
        }
        void (async () => {
          for (;;) {
            const { value, done } = await events.next();
            if (done) return;
            if (value.type === "put") onValue(value.entry.value);
          }
        })();
      },
    };
  },
};
