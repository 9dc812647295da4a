// Offers `block` at the address that it is given, and says on stdout which one it got.
import { pathToFileURL } from "node:url";

const [, , dist, url] = process.argv;
const { listen } = await import(pathToFileURL(`${dist}/remote.js`).href);
const api = {
  ping: () => "pong",
  /** Stands still, as a computation does. */
  block: (ms) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  },
};
const listener = await listen(url, { exports: { api }, public: true });
process.stdout.write(`${listener.address}\n`);
process.stdin.on("close", () => process.exit(0)).resume();
