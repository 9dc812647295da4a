// A prompt whose lines run on another machine: node notebook.mjs [SPEC] [--check]
//
// Variables stay, `await` works, lines may be unfinished, and Tab completes what is over there. `here` is
// this side, `_` the last result.
import { hostname } from "node:os";
import { createInterface } from "node:readline";
import repl from "node:repl";

import { openGateway } from "banyan/gateway";

import { CELLS } from "./check.mjs";

const words = process.argv.slice(2);
const isCheck = words.includes("--check");
const spec = words.find((word) => word !== "--check") ?? "popen";

const gateway = await openGateway(spec, { onLog: (text) => void process.stdout.write(text) });
const saved = new Map();
gateway.expose("here", {
  host: hostname(),
  save: (name, value) => void saved.set(name, value),
});
const cells = gateway.exec({ file: new URL("far.mjs", import.meta.url) });

process.exitCode = await (isCheck ? check() : process.stdin.isTTY ? prompt() : script());
cells.close();
await gateway.terminate();

/** What a cell gives: `{ shown }`, `{ failed }` or `{ unfinished }`. */
async function run(source) {
  await cells.send({ source });
  return await cells.receive();
}

/** What could stand at the end of `line`. */
async function complete(line) {
  await cells.send({ line });
  return await cells.receive();
}

/** Node's own prompt on this side. */
async function prompt() {
  const { host, node, platform } = gateway.info;
  process.stdout.write(`${host}, Node ${node} on ${platform}. Ctrl-D ends it.\n`);
  const server = repl.start({
    prompt: `${gateway.id}> `,
    eval: (source, _context, _file, done) => void answer(source, done),
    // Shown over there, where the objects are.
    writer: (shown) => shown,
    completer: (line, done) => void propose(line, done),
  });
  await new Promise((ended) => {
    server.once("exit", ended);
  });
  return 0;
}

async function answer(source, done) {
  let cell;
  try {
    cell = await run(source);
  } catch (error) {
    cell = { failed: `the other side has gone: ${error.message}` };
  }
  if (cell.unfinished === undefined) done(null, cell.failed ?? cell.shown);
  else done(new repl.Recoverable(new SyntaxError(cell.unfinished)));
}

async function propose(line, done) {
  let found;
  try {
    found = await complete(line);
  } catch (error) {
    done(error);
    return;
  }
  done(null, found);
}

/** Lines that come from a file; the first that fails is the last. */
async function script() {
  let source = "";
  for await (const line of createInterface({ input: process.stdin })) {
    source += `${line}\n`;
    const { shown, failed, unfinished } = await run(source);
    if (unfinished !== undefined) continue;
    source = "";
    process.stdout.write(`${failed ?? shown}\n`);
    if (failed !== undefined) return 1;
  }
  return 0;
}

/** Runs a few lines, and tells whether each gave what it should. */
async function check() {
  const wrong = [];
  for (const [source, isRight] of CELLS) {
    const cell = await run(source);
    process.stdout.write(`${source.replaceAll("\n", " ")} -> ${Object.values(cell)[0]}\n`);
    if (!isRight(cell)) wrong.push(source);
  }
  if ((await run("process.pid")).shown !== String(gateway.info.pid)) wrong.push("process.pid");
  if ((await saved.get("numbers").get(2)) !== "two") wrong.push("what was saved");
  const [found] = await complete("x = process.pi");
  if (!found.includes("process.pid")) wrong.push("completion");
  process.stdout.write(wrong.length === 0 ? "all is well\n" : `wrong: ${wrong.join(", ")}\n`);
  return wrong.length === 0 ? 0 : 1;
}
