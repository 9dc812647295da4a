// Connects to argv[2] and then has nothing more to do: with argv[3] "idle", "calls" or "serves".
import { connect } from "../../../dist/remote.js";

const [url, what] = process.argv.slice(2);
const session = await connect(url, { unref: true, heartbeat: true });
const api = session.remote("api");
if (what === "calls") console.log(await api.slow("called"));
else if (what === "serves") console.log(await api.call(async (n) => n + 1));
else if (what === "closes") {
  await api.quick();
  await session.close();
  console.log("closed");
} else {
  console.log(await api.quick());
  session.onBroken(() => console.log("broken"));
}
