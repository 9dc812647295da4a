// Watches a store: `watcher.mjs KIND PLACE`. When asked, answers with how long each put took to get here, in
// microseconds, once all have come.
import { age, WATCH_PUTS } from "../lib/data.mjs";
import { answer } from "../lib/measure.mjs";
import { STORES } from "../lib/stores.mjs";

const [kind, place] = process.argv.slice(2);
const api = await STORES[kind](place);
const ages = [];
let onAll;
const all = new Promise((resolve) => {
  onAll = resolve;
});
await api.watch("w", (value) => {
  ages.push(age(value));
  if (ages.length === WATCH_PUTS) onAll(ages);
});
answer(() => all);
