// The floor of a watch: `floor-relay.mjs SOCKET`, the frames of the floor in front of a map, watchers told at once.
// It is what two wake-ups cost in Node: from the writer to the relay, and from there to the watcher.
import { createServer } from "node:net";

import { Floor } from "../lib/floor.mjs";

const [socket] = process.argv.slice(2);
const store = new Map();
const watchers = [];
const methods = {
  get: (key) => store.get(key) ?? null,
  put: (key, value) => {
    store.set(key, value);
    for (const watcher of watchers) {
      if (key.startsWith(watcher.prefix)) watcher.floor.send([1, 0, "changed", key, value]);
    }
    return true;
  },
  watch: (prefix, _, floor) => {
    watchers.push({ prefix, floor });
    return true;
  },
};
createServer((connection) => Floor.onSocket(connection, methods)).listen(socket, () =>
  process.send("ready"),
);
