// The floor of a hub: `floor-hub.mjs SOCKET FOLDER`, the frames of the floor in front of LMDB, watchers told when
// a write is committed.
import { createServer } from "node:net";

import { open } from "lmdb";

import { Floor } from "../lib/floor.mjs";

const [socket, folder] = process.argv.slice(2);
const store = open({ path: folder, encoding: "string" });
const watchers = [];
const methods = {
  get: (key) => store.get(key) ?? null,
  put: async (key, value) => {
    await store.put(key, value);
    await store.flushed;
    for (const watcher of watchers) {
      if (key.startsWith(watcher.prefix)) watcher.floor.send([1, 0, "changed", key, value]);
    }
    return true;
  },
  list: (prefix) => {
    const found = [];
    for (const { key, value } of store.getRange({ start: prefix, end: `${prefix}\uFFFF` })) {
      found.push(key, value);
    }
    return found;
  },
  watch: (prefix, _, floor) => {
    watchers.push({ prefix, floor });
    return true;
  },
};
createServer((connection) => Floor.onSocket(connection, methods)).listen(socket, () =>
  process.send("ready"),
);
