// A thread that serves the floor's methods to its parent; `workerData.batched` as `PortFloor` has it.
import { parentPort, workerData } from "node:worker_threads";

import { floorMethods, PortFloor } from "../lib/floor.mjs";

new PortFloor(parentPort, floorMethods(), workerData).open();
