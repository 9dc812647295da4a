/**
 * Counts changes: `counter.mjs DIRECTORY`, with a channel to its parent. Watches everything from the first
 * change on, and says up to which revision it was told each exactly once, in order; anything else is an error.
 */
import { openEngine, Path } from "../../../dist/index.js";

const engine = await openEngine(process.argv[2]);
process.on("disconnect", () => process.exit(0));
let last = 0;
let resumed = 0;
for await (const batch of engine.watch(Path.root, {
  after: { store: engine.store, revision: 0 },
})) {
  for (const event of batch) {
    if (event.type === "live") resumed++;
    if (event.type === "live" || event.type === "stale") continue;
    if (event.type !== "put") throw new Error(`told of a ${event.type} behind ${last}`);
    const { revision } = event.entry;
    if (revision !== last + 1) throw new Error(`told of ${revision} behind ${last}`);
    last = revision;
  }
  process.send({ last, resumed });
}
