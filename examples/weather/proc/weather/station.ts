// banyan: { is_async: true, vars: [pace] }
// The station: replays the recorded days as readings, `pace` seconds apart; the entry `weather.pace`
// overrules the job's own pace, at any time. It stands for the box with the sensor, so its job names
// the one node that may run it. It keeps its place in the tree and goes on from there after a restart.
import { parseReading } from "tree:weather.units";

const source: string = await _client.get("weather.source");
const days = source.trim().split("\n").slice(1);
const start: number = (await _client.get("weather.station"))?.next ?? 0;
_log.info(start === 0 ? "starting with the first day" : `going on with day ${start + 1}`);
await _self.setupDone();

for (let next = start; next < days.length; next++) {
  const reading = parseReading(days[next]!);
  // The reading first: if the node dies between the two writes, the same day is written once more,
  // under the same path and with the same values.
  await _client.set(["weather", "reading", reading.date], reading);
  await _client.set("weather.station", { next: next + 1, of: days.length, day: reading.date });
  const seconds: number = (await _client.get("weather.pace")) ?? pace;
  if (seconds > 0) await _self.timer(seconds);
}
return `${days.length} days`;
