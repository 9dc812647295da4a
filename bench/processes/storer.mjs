// Works with a store: `storer.mjs KIND PLACE`. Runs the row that its parent names.
import { setTimeout as pause } from "node:timers/promises";

import { DATA, fill, stamp, WATCH_PUTS } from "../lib/data.mjs";
import { answer } from "../lib/measure.mjs";
import { STORES } from "../lib/stores.mjs";

const [kind, place] = process.argv.slice(2);
const api = await STORES[kind](place);
await fill(api);
answer((row) => (row === "watch" ? putForWatcher() : DATA[row](api)));

/** With pauses: this is about how soon, not how much. */
async function putForWatcher() {
  for (let i = 0; i < WATCH_PUTS; i++) {
    await (api.commit ?? api.put)(`w${api.dot}${i % 50}`, stamp());
    await pause(2);
  }
}
