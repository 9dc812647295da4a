// Calls the others: `driver.mjs FOLDER CALLS SEED`. Every answer is checked.
import { fork } from "node:child_process";
import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";

import { connectSync, listenSync } from "../../dist/remote.js";
import { seededRandom } from "../../dist/testing/index.js";
import { addressIn, createApi, stateIn } from "./api.mjs";

const [folder, callsText, seed] = process.argv.slice(2);
const calls = Number(callsText);
const random = seededRandom(Number(seed));
const below = (n) => Math.floor(random() * n);
const note = stateIn(folder, "driver");
/** Longer than anything here takes on a busy machine: who hangs is told by it. */
const timeoutMs = 40_000;
const GONE_MS = 2_000;

const sessions = new Map();
const api = createApi({ note: () => {}, others: (name) => sessions.get(name).remote("api") });
const options = { exports: { api }, policy: "trusted", name: "driver", timeoutMs };
const listener = await listenSync(addressIn(folder, "driver"), options);
for (const name of ["first", "second", "server"]) {
  sessions.set(name, connectSync(addressIn(folder, name), options));
}
sessions.set("thread", startThread("thread"));
const names = [...sessions.keys()];
const blocking = names.filter((name) => name !== "server");
const remotes = new Map(names.map((name) => [name, sessions.get(name).remote("api")]));

let done = 0;
let victims = 0;
/** What calls back by itself, until somebody waits for it. */
let crossing = [];

function startThread(name) {
  const { port1, port2 } = new MessageChannel();
  const workerData = { folder, port: port2, name };
  const worker = new Worker(new URL("thread.mjs", import.meta.url), {
    workerData,
    transferList: [port2],
  });
  worker.unref();
  return connectSync(port1, options);
}

function expect(ok, what) {
  if (!ok) throw new Error(`wrong: ${what}`);
}

function expectCode(run, ...codes) {
  let code = "none";
  try {
    run();
  } catch (error) {
    code = error.code ?? error.name;
  }
  expect(codes.includes(code), `${code} instead of ${codes.join(" or ")}`);
}

const chosen = (choices) => choices[below(choices.length)];

/** How often each is chosen, and what it does; answers with the calls it made. */
const WORK = {
  get: [300, (remote) => expect(remote.value === 1, "get")],
  echo: [300, (remote) => expect(remote.echo(done) === done, "echo")],
  callback: [100, (remote) => callback(remote)],
  down: [60, () => down()],
  crossing: [20, (remote) => cross(remote)],
  around: [20, () => around()],
  fail: [20, (remote) => expectCode(() => remote.fail("no"), "RangeError")],
  object: [40, (remote) => object(remote)],
  list: [10, (remote) => list(remote)],
  bytes: [4, (remote) => bytes(remote)],
  turn: [20, () => new Promise((resolve) => void setImmediate(resolve))],
  settle: [2, () => settle()],
  scope: [20, (remote, name) => scope(name)],
  timeout: [1, (_, name) => timeout(name)],
  close: [1, (_, name) => close(name)],
  kill: [0.1, () => kill()],
  endThread: [0.05, () => endThread()],
};

function callback(remote) {
  const n = below(1_000);
  expect(remote.call((m) => m + remote.echo(1), n) === n + 1, "callback");
  return 3;
}

function down() {
  const n = below(8);
  expect(remotes.get(chosen(blocking)).down(n, api) === n, "down");
  return n + 1;
}

function cross(remote) {
  const times = below(40);
  const sum = remote.callBack((i) => i, times);
  crossing.push(sum.then((all) => expect(all === (times * (times - 1)) / 2, "crossing")));
  for (let i = 0; i < times; i++) expect(remote.echo(i) === i, "echo while crossing");
  return 2 * times + 1;
}

function around() {
  const n = below(7);
  const circle = random() < 0.5 ? ["first", "second", "driver"] : ["second", "first", "driver"];
  expect(api.around(n, circle) === n, "around");
  return n;
}

function object(remote) {
  const own = { n: done };
  expect(remote.echo(own) === own, "own object");
  expect(remote.echo(remote) === remote, "far object");
  return 2;
}

function list(remote) {
  const far = remote.echo(Array.from({ length: below(300) }, (_, i) => i));
  expect(far.length === [...far].length, "list");
  return 1;
}

function bytes(remote) {
  const length = 2 ** below(21) + below(9);
  expect(remote.size(new Uint8Array(length)) === length, "bytes");
  return 1;
}

function scope(name) {
  const session = sessions.get(name);
  const length = session.scope(() => session.remote("api").echo.name.length);
  expect(length === 4, "scope");
  return 3;
}

/**
 * The late answer finds nobody, and what comes next is right. Where there is one core, and others want it too, the
 * answer may be there before this side gets to look at the clock.
 */
function timeout(name) {
  const session = sessions.get(name);
  const isLate = () => session.withTimeout(5, () => remotes.get(name).busy(15));
  expectCode(isLate, "REMOTE_TIMEOUT", "none");
  expect(remotes.get(name).echo(7) === 7, "echo after a timeout");
  return 2;
}

/** A session that comes and goes, with a call of the other side's under way. */
async function close(name) {
  if (name === "thread") return 0;
  const session = connectSync(addressIn(folder, name), options);
  const remote = session.remote("api");
  expect(remote.echo(1) === 1, "echo of a new session");
  const broken = remote
    .callBack((i) => i, 1_000)
    .then(
      () => "none",
      (error) => error.code,
    );
  session.close();
  expectCode(() => remote.echo(1), "REMOTE_CLOSED");
  const code = await broken;
  expect(code === "REMOTE_CLOSED" || code === "none", `${code} of what was under way`);
  return 3;
}

/** Whoever waits for somebody who is killed learns of it at once. */
async function kill() {
  const name = `victim${++victims}`;
  const victim = fork(new URL("peer.mjs", import.meta.url), [name, folder]);
  await once(victim, "message");
  const session = connectSync(addressIn(folder, name), options);
  const remote = session.remote("api");
  const start = performance.now();
  const dies = random() < 0.5 ? () => remote.die() : () => remote.call(() => remote.die());
  expectCode(dies, "REMOTE_BROKEN", "REMOTE_CLOSED");
  expect(performance.now() - start < GONE_MS, "a death was noticed late");
  await session.closed;
  if (victim.exitCode === null && victim.signalCode === null) await once(victim, "exit");
  return 2;
}

/** A thread that comes and goes. */
async function endThread() {
  const session = startThread(`thread${++victims}`);
  const remote = session.remote("api");
  expect(remote.call(() => remote.echo(3)) === 3, "another thread");
  session.close();
  await session.closed;
  return 2;
}

async function settle() {
  const waiting = crossing;
  crossing = [];
  await Promise.all(waiting);
  return 0;
}

const weighted = Object.entries(WORK);
const all = weighted.reduce((sum, [, [weight]]) => sum + weight, 0);

/** A name of `WORK`'s. */
function choose() {
  let at = random() * all;
  for (const [name, [weight]] of weighted) {
    at -= weight;
    if (at < 0) return name;
  }
  return "get";
}

while (done < calls) {
  const what = choose();
  const name = chosen(names);
  note(`${done} calls, at ${what} of ${name}`);
  const [, run] = WORK[what];
  const made = run(remotes.get(name), name);
  done += (made instanceof Promise ? await made : made) ?? 1;
  if (crossing.length > 50) await settle();
}
note(`${done} calls, settles`);
await settle();
for (const [name, session] of sessions) {
  expect(session.stats().pending === 0, `a call of ${name} is left`);
  session.close();
}
await listener.close();
note(`${done} calls, done`);
process.exit(0);
