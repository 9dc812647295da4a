// The far side of the tests of synchronous sessions, in a thread or a process. `workerData.port` or the second argument is
// where to connect, or, behind "listen", where to listen.
import { pathToFileURL } from "node:url";
import { isMainThread, workerData } from "node:worker_threads";

const [, , dist, how, url] = isMainThread ? process.argv : [0, 0, workerData.dist, "port"];
const { connectSync, listenSync } = await import(pathToFileURL(`${dist}/remote.js`).href);

let other;

class Counter {
  #count = 0;
  add(n) {
    this.#count += n;
    return this.#count;
  }
}

const api = {
  value: 1,
  echo: (value) => value,
  size: (bytes) => bytes.length,
  call: (f, ...args) => f(...args),
  fail: (message) => {
    throw new RangeError(message);
  },
  /** Calls back on its own account, some time later. */
  later: async (f, n) => {
    await new Promise((resolve) => void setImmediate(resolve));
    return f(n);
  },
  down: (n, there) => (n === 0 ? 0 : 1 + there.down(n - 1, api)),
  /** Calls the other side so often, while that may do the same. */
  callBack: (times) => {
    let sum = 0;
    for (let i = 0; i < times; i++) sum += other.remote("api").echo(i);
    return sum;
  },
  sendBytes: (length) => other.remote("api").size(new Uint8Array(length)),
  busy: (ms) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
    return { ended: true };
  },
  exit: () => process.exit(0),
  die: () => process.kill(process.pid, "SIGKILL"),
  pid: process.pid,
  Counter,
  list: Array.from({ length: 1_000 }, (_, i) => i),
};

/** What the test asks for in this very thread, for it must not block its own. */
const tasks = {
  cycle: (address, n) => {
    const session = connectSync(address, { exports: { api } });
    return session.remote("api").down(n, api);
  },
};
const options = { exports: { api, tasks }, policy: "trusted" };

if (how === "listen") {
  const listener = await listenSync(url, {
    ...options,
    onSession: (session) => {
      other = session;
    },
  });
  process.stdout.write(`${listener.address}\n`);
  process.stdin.on("close", () => process.exit(0)).resume();
} else {
  other = connectSync(how === "port" ? workerData.port : url, options);
  // A thread that offers things has to stay.
  setInterval(() => {}, 1_000_000);
}
