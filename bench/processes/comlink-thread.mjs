// A thread that serves Comlink's objects to its parent.
import { parentPort } from "node:worker_threads";

import { serveComlink } from "../lib/comlink.mjs";

serveComlink(parentPort);
