// banyan: { is_async: true, vars: [alarm, field, raise, clear, unit] }
// Raises an alarm when a reading passes `raise` and clears it only when one comes back past `clear`:
// between the two nothing changes, so a value that trembles around a limit does not ring all day. One
// procedure, two jobs: frost (falling) and storm (rising).
import { beaufort, fahrenheit, type Reading } from "tree:weather.units";

interface Alarm {
  active: boolean;
  raised: number;
  cleared: number;
  last: string;
  text: string;
}

const rising: boolean = raise > clear;
const path = ["weather", "alarm", alarm];
let state: Alarm = (await _client.get(path)) ?? {
  active: false,
  raised: 0,
  cleared: 0,
  last: "",
  text: "",
};

await _self.watch("weather.reading", { minDepth: 1 });
for await (const event of _info) {
  if (event.type === "ready") await _self.setupDone();
  if (event.type !== "change" || event.value === undefined) continue;
  const day: Reading = event.value;
  if (day.date <= state.last) continue;
  const value: number = day[field];
  if (!state.active && (rising ? value >= raise : value <= raise)) {
    state = { ...state, active: true, raised: state.raised + 1, last: day.date, text: say(value) };
  } else if (state.active && (rising ? value <= clear : value >= clear)) {
    state = { ...state, active: false, cleared: state.cleared + 1, last: day.date, text: "" };
  } else {
    continue;
  }
  await _client.set(path, state);
  _log.info(`${day.date}: ${alarm} ${state.active ? `raised at ${value} ${unit}` : "cleared"}`);
}

function say(value: number): string {
  return unit === "m/s"
    ? `${value} m/s, force ${beaufort(value)}`
    : `${value} °C, ${fahrenheit(value).toFixed(0)} °F`;
}
