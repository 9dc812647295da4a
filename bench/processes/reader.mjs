// Reads a store that another process filled: `reader.mjs KIND PLACE`. Runs the row that its parent names.
import { answer } from "../lib/measure.mjs";
import { openReads, READS } from "../lib/reads.mjs";

const [kind, place] = process.argv.slice(2);
const api = await openReads[kind](place);
answer((row) => READS[row](api));
