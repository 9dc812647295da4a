// Works with a store: `storer.mjs KIND PLACE`. Runs the row that its parent names.
import { DATA, fill, putForWatcher } from "../lib/data.mjs";
import { answer } from "../lib/measure.mjs";
import { STORES } from "../lib/stores.mjs";

const [kind, place] = process.argv.slice(2);
const api = await STORES[kind](place);
await fill(api);
answer((row) => (row === "watch" ? putForWatcher(api) : DATA[row](api)));
