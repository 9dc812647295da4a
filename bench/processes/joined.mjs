// A process that has opened a tree and does nothing with it: `joined.mjs FOLDER`.
import { open } from "banyan";

const tree = await open(process.argv[2]);
process.on("message", () => {});
process.on("disconnect", () => void tree.close());
process.send("ready");
