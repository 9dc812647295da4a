// Reads a store that another process filled: `reader.mjs KIND PLACE`. Runs the row that its parent names. Of the
// kind "socket" it does so in a thread, where everything is asked of the hub.
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

import { answer } from "../lib/measure.mjs";
import { openReads, READS } from "../lib/reads.mjs";

if (!isMainThread) {
  const api = await openReads.socket(workerData);
  parentPort.on("message", (row) => {
    void READS[row](api).then((result) => parentPort.postMessage(result));
  });
  parentPort.postMessage("ready");
} else {
  const [kind, place] = process.argv.slice(2);
  if (kind === "socket") {
    const thread = new Worker(new URL(import.meta.url), { workerData: place });
    await once(thread, "message");
    answer(async (row) => {
      thread.postMessage(row);
      const [result] = await once(thread, "message");
      return result;
    });
  } else {
    const api = await openReads[kind](place);
    answer((row) => READS[row](api));
  }
}
