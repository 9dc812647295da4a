/**
 * Watches everything: `witness.mjs DIRECTORY HISTORY`. Each batch is a line, with the cursor behind it; one
 * that is started again goes on behind the last line. SIGTERM ends it.
 */
import { existsSync, openSync, readFileSync, writeSync } from "node:fs";

import { openEngine, Path } from "../../../dist/index.js";

const [directory, file] = process.argv.slice(2);
const lines = existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
const last = lines.at(-1);
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
