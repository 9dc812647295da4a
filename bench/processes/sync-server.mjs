// What the callers of bench/sync.mjs talk to: `sync-server.mjs floor | banyan`. Tells its parent the address.
import { createServer } from "node:net";

import { listen } from "banyan/remote";

import { Floor, floorMethods } from "../lib/floor.mjs";

const [kind] = process.argv.slice(2);

const START = {
  floor: () =>
    new Promise((resolve) => {
      const server = createServer((socket) => {
        socket.setNoDelay(true);
        Floor.onSocket(socket, floorMethods());
      });
      server.listen(0, "127.0.0.1", () => resolve(server.address().port));
    }),
  // Its objects live on its event loop; nothing of it ever blocks.
  banyan: async () =>
    (await listen("tcp://127.0.0.1:0", { exports: { thing: { x: 1 }, same: (x) => x } })).address,
};

process.send(await START[kind]());
