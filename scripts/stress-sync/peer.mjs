// Somebody whom the driver calls: `peer.mjs NAME FOLDER`. "server" serves from its event loop, all others block.
import { connectSync, listen, listenSync } from "../../dist/remote.js";
import { addressIn, createApi, stateIn } from "./api.mjs";

const [name, folder] = process.argv.slice(2);
const note = stateIn(folder, name);
const sessions = new Map();

const api = createApi({ note, others });
const options = { exports: { api }, policy: "trusted", name };

/** A session of its own with each, which stays. */
function others(to) {
  let session = sessions.get(to);
  if (session === undefined) {
    session = connectSync(addressIn(folder, to), options);
    sessions.set(to, session);
  }
  return session.remote("api");
}

await (name === "server" ? listen : listenSync)(addressIn(folder, name), options);
process.on("disconnect", () => process.exit());
note("listens");
process.send("ready");
