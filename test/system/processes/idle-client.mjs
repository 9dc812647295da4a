// Connects to argv[2] and then has nothing more to do: with argv[3] "idle", "calls" or "serves".
import { connect } from "../../../dist/remote.js";

const say = (text) => process.stdout.write(`${text}\n`);
const [url, what] = process.argv.slice(2);
const session = await connect(url, { unref: true, heartbeat: true });
const api = session.remote("api");
if (what === "calls") say(await api.slow("called"));
else if (what === "serves") say(await api.call(async (n) => n + 1));
else if (what === "closes") {
  await api.quick();
  await session.close();
  say("closed");
} else {
  say(await api.quick());
  session.onBroken(() => say("broken"));
}
