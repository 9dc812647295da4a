/**
 * Watches everything: `witness.mjs DIRECTORY HISTORY`. Each batch is a line, with the cursor behind it; one
 * that is started again goes on behind the last line. SIGTERM ends it.
 */
import { existsSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";

import { openEngine, Path } from "../../../dist/index.js";

const [directory, file] = process.argv.slice(2);
const known = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
// A large line of one that was killed may be there in part: it counts as not told.
const whole = known.lastIndexOf("\n") + 1;
if (whole < known.length) truncateSync(file, whole);
const last = known.subarray(0, whole).toString().trimEnd().split("\n").at(-1);
const history = openSync(file, "a");
const engine = await openEngine(directory);
process.on("SIGTERM", () => void engine.close());

// Behind revision 0 is everything that was ever written.
const after = last ? JSON.parse(last).cursor : { store: engine.store, revision: 0 };
const watch = engine.watch(Path.root, { after });
for await (const batch of watch) {
  const events = batch.map((event) => {
    if (event.type !== "put") return { type: event.type };
    const { path, revision, value } = event.entry;
    return { type: "put", key: String(path), revision, value: new TextDecoder().decode(value) };
  });
  writeSync(history, `${JSON.stringify({ events, cursor: watch.cursor })}\n`);
}
