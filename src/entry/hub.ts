/** Starts the process of a hub: `hub.cjs DIRECTORY IDLE_MS [CODE_CACHE]`; see hub-program.ts. */
import { fileURLToPath } from "node:url";

import { runCached } from "../node/code-cache.ts";

runCached(fileURLToPath(new URL("hub-program.cjs", import.meta.url)), process.argv[4]);
