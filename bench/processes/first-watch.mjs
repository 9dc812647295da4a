// Opens a tree and watches all of it from the start: `first-watch.mjs FOLDER`. When asked, answers with how long each
// took, in milliseconds, and how many entries there were.
import { open } from "banyan";

import { answer } from "../lib/measure.mjs";

answer(async () => {
  const from = performance.now();
  const tree = await open(process.argv[2]);
  const opened = performance.now();
  let entries = 0;
  for await (const event of tree.watch("k")) {
    if (event.type === "put") entries++;
    if (event.type === "ready") break;
  }
  const watched = performance.now();
  await tree.close();
  return { open: opened - from, watch: watched - opened, entries };
});
