// Opens gateways of every kind, tells their processes, and waits to be killed.
import { openGateway } from "banyan/gateway";

const COMPUTE = "channel.send(process.pid); await new Promise(setImmediate); for (;;) {}";
const TIMERS =
  "setInterval(() => {}, 10); await channel.send(process.pid); await new Promise(() => {})";

const idle = await openGateway("popen");
const busy = await openGateway("popen");
const timers = await openGateway("popen");
const behind = await openGateway("popen", { via: timers });
const pids = [
  idle.info.pid,
  await busy.exec(COMPUTE).receive(),
  await timers.exec(TIMERS).receive(),
  await behind.exec(TIMERS).receive(),
];
process.send(pids);
