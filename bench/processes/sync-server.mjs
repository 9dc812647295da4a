// What the callers of bench/sync.mjs talk to: `sync-server.mjs floor | banyan`. Tells its parent the address.
import { createServer } from "node:net";

import { listen } from "banyan/remote";

import { Floor, floorMethods } from "../lib/floor.mjs";
import { listenAt } from "../lib/sockets.mjs";

const START = {
  floor: () =>
    listenAt(
      createServer({ noDelay: true }, (socket) => Floor.onSocket(socket, floorMethods())),
      "tcp:",
    ),
  // Its objects live on its event loop; nothing of it ever blocks.
  banyan: async () => {
    const listener = await listen("tcp://127.0.0.1:0", { exports: { thing: { x: 1 } } });
    return listener.address;
  },
};

process.send(await START[process.argv[2]]());
