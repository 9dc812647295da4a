/**
 * Opens a tree, writes and closes it again: `come-and-go.mjs DIRECTORY NAME TIMES IDLE_MS`. A hub that it
 * starts ends when nobody has used it for IDLE_MS.
 */
import { HubEngine } from "../../../build/engine/hub-client.js";
import { connectHub } from "../../../build/node/hub-connect.js";
import { Path } from "../../../build/wire/path.js";

const [directory, name, times, idleMs] = process.argv.slice(2);
const hubs = new Set();
for (let i = 0; i < Number(times); i++) {
  const engine = await HubEngine.open({
    connect: (signal) => connectHub(directory, { signal, idleMs: Number(idleMs) }),
  });
  const path = Path.fromElements(["came", name, i]);
  await engine.put(path, new Uint8Array());
  if ((await engine.get(path)) === undefined) throw new Error("a write is not there");
  hubs.add(engine.hub.pid);
  await engine.close();
}
process.stdout.write(JSON.stringify([...hubs]));
