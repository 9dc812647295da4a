// Fuzzes sessions, built before: `node scripts/fuzz-remote.mjs [frames] [seed]`, 10 million frames by default.
// Any crash, rejection nobody handles, leak or hang ends it with the seed that leads there again.
import { fuzzSessions } from "../build/testing/remote-fuzz.js";
import { numbersOf } from "./numbers.mjs";

// Nobody reads the stacks of the errors, and they take half of the time.
Error.stackTraceLimit = 0;

const BLOCK_FRAMES = 100_000;
const HANG_MS = 600_000;
const MAX_GROWTH_MB = 300;

const [wanted, seed] = numbersOf(process.argv.slice(2), [10_000_000, Date.now() % 1_000_000_007]);
const total = { frames: 0, sessions: 0, messages: 0, decoded: 0 };
const start = performance.now();

process.on("unhandledRejection", (reason) => {
  fail(reason);
});
process.on("uncaughtException", (error) => {
  fail(error);
});

let before;
for (let block = 0; total.frames < wanted; block++) {
  const watchdog = setTimeout(() => fail(new Error("nothing happens any more")), HANG_MS);
  const result = await fuzzSessions(seed + block, Math.min(BLOCK_FRAMES, wanted)).catch(fail);
  clearTimeout(watchdog);
  for (const name of Object.keys(total)) total[name] += result[name];
  const megabytes = process.memoryUsage().rss / 2 ** 20;
  before ??= megabytes;
  if (megabytes - before > MAX_GROWTH_MB) fail(new Error(`memory grew to ${megabytes} MB`));
  if (block % 10 === 9 || total.frames >= wanted) report(megabytes);
}

function report(megabytes) {
  const { frames, sessions, messages, decoded } = total;
  const seconds = (performance.now() - start) / 1000;
  const share = ((100 * decoded) / frames).toFixed(0);
  process.stdout.write(
    `${frames} frames, of which ${share} % decoded, in ${messages} messages and ${sessions} sessions, ` +
      `${seconds.toFixed(0)} s, ${megabytes.toFixed(0)} MB, seed ${seed}\n`,
  );
}

function fail(error) {
  process.stderr.write(`${error?.stack ?? error}\nafter ${total.frames} frames, seed ${seed}\n`);
  process.exit(1);
}
