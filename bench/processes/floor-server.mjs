// Serves the floor's methods: `floor-server.mjs unix:PATH | tcp:`; tells its parent where.
import { createServer } from "node:net";

import { Floor, floorMethods } from "../lib/floor.mjs";
import { listenAt } from "../lib/sockets.mjs";

const server = createServer((socket) => Floor.onSocket(socket, floorMethods()));
process.send(await listenAt(server, process.argv[2]));
