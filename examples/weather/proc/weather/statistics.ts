// banyan: { is_async: true, vars: [] }
// Keeps one entry per month. Each entry holds the last day it counted, so that whoever takes the job
// over goes on with the day after: nothing is counted twice, nothing is left out.
import { tenths, type Reading } from "tree:weather.units";

interface Month {
  days: number;
  rain: number;
  mean: number;
  max: number;
  min: number;
  wind: number;
  last: string;
  token: number;
  run: string;
  node: string;
}

const months = new Map<string, Month>();
for await (const { path, value } of _client.walk("weather.month", { minDepth: 1 })) {
  months.set(path.at(-1), value);
}
_log.info(`${months.size} months are there already`);

await _self.watch("weather.reading", { minDepth: 1 });
for await (const event of _info) {
  if (event.type === "ready") await _self.setupDone();
  if (event.type === "change" && event.value !== undefined) await count(event.value);
}

async function count(day: Reading): Promise<void> {
  const name = day.date.slice(0, 7);
  const was = months.get(name);
  if (was !== undefined && was.last >= day.date) return;
  const month: Month = {
    days: (was?.days ?? 0) + 1,
    rain: (was?.rain ?? 0) + tenths(day.rain),
    mean: (was?.mean ?? 0) + tenths(day.max) + tenths(day.min),
    max: Math.max(was?.max ?? -Infinity, day.max),
    min: Math.min(was?.min ?? Infinity, day.min),
    wind: Math.max(was?.wind ?? 0, day.wind),
    last: day.date,
    token: _self.token,
    run: _self.run,
    node: _self.node,
  };
  await _client.set(["weather", "month", name], month);
  months.set(name, month);
}
