// Serves the floor's methods on a unix socket: `floor-server.mjs SOCKET`.
import { createServer } from "node:net";

import { Floor, floorMethods } from "../lib/floor.mjs";

const [path] = process.argv.slice(2);
const server = createServer((socket) => Floor.onSocket(socket, floorMethods()));
server.listen(path, () => process.send("ready"));
