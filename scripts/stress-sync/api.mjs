// What everybody in the stress of sync proxies offers, and how they say what they are at.
import { openSync, writeSync } from "node:fs";
import { join } from "node:path";

const WIDTH = 120;

/** Notes what somebody is at, where it is found also while they are blocked. */
export function stateIn(folder, name) {
  const file = openSync(join(folder, `${name}.state`), "w");
  return (text) => writeSync(file, text.slice(0, WIDTH).padEnd(WIDTH), 0);
}

/** `others` finds who is called by a name. */
export function createApi({ note, others }) {
  const api = {
    value: 1,
    echo: (value) => value,
    size: (bytes) => bytes.length,
    call: (f, ...args) => f(...args),
    fail: (message) => {
      throw new RangeError(message);
    },
    /** Down and up again between two sides. */
    down: (n, there) => (n === 0 ? 0 : 1 + there.down(n - 1, api)),
    /** From one to the next in the circle. */
    around: (n, names) => {
      note(`around ${n} ${names.join(" ")}`);
      if (n === 0) return 0;
      const [next, ...rest] = [...names];
      return 1 + others(next).around(n - 1, [...rest, next]);
    },
    /** Calls the other side so often, from the event loop, while that may do the same. */
    callBack: async (f, times) => {
      await new Promise((resolve) => void setImmediate(resolve));
      note(`calls back ${times}`);
      let sum = 0;
      for (let i = 0; i < times; i++) sum += await f(i);
      note(`called back ${times}`);
      return sum;
    },
    busy: (ms) => {
      const end = performance.now() + ms;
      while (performance.now() < end);
      return { ended: true };
    },
    die: () => process.kill(process.pid, "SIGKILL"),
  };
  return api;
}

export const addressIn = (folder, name) => `unix:${join(folder, `${name}.sock`)}`;
