// Says every value that is put at "mark": `follower.mjs FOLDER`.
import { open } from "banyan";

const tree = await open(process.argv[2]);
process.on("disconnect", () => process.exit());
for await (const event of tree.watch("mark")) {
  if (event.type === "ready") process.send("ready");
  if (event.type === "put") process.send(event.entry.value);
}
