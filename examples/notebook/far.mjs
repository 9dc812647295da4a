// What the notebook sends: runs cells one after the other in one world of variables.
import { inspect } from "node:util";
import vm from "node:vm";

export default async function serve(channel) {
  globalThis.here = await channel.gateway.remote("here");
  for await (const { source, line } of channel) {
    await channel.send(source === undefined ? complete(line) : await run(source));
  }
}

async function run(source) {
  try {
    globalThis._ = await evaluate(source);
    return { shown: inspect(globalThis._) };
  } catch (error) {
    const isUnfinished = /^(Unexpected end of input|Unterminated template|missing \) )/;
    if (error instanceof SyntaxError && isUnfinished.test(error.message)) {
      return { unfinished: error.message };
    }
    return { failed: shortened(inspect(error)) };
  }
}

/** Without what runs the cells. */
function shortened(text) {
  const lines = text.split("\n");
  const ours = lines.findIndex((line) => /^ +at .*(node:vm|far\.mjs)/.test(line));
  return ours < 0 ? text : lines.slice(0, ours).join("\n");
}

/** A script's declarations stay. One that awaits is no script: its last resort is a function around it. */
function evaluate(source) {
  // An object, and no block, as everybody means it at a prompt.
  if (/^\s*\{[^]*\}\s*$/.test(source)) return script(`(${source}\n)`, source);
  if (!/\bawait\b/.test(source)) return script(source);
  const declared = /^\s*(?:const|let|var)\s+(\w+)\s*=([^]*)$/.exec(source);
  const text = declared === null ? source : `globalThis.${declared[1]} = ${declared[2]}`;
  return script(`(async () => (${text.replace(/;\s*$/, "")}\n))()`, `(async () => {${text}\n})()`);
}

function script(text, otherwise) {
  const importModuleDynamically = vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  let compiled;
  try {
    compiled = new vm.Script(text, { filename: "cell.js", importModuleDynamically });
  } catch (error) {
    if (otherwise === undefined) throw error;
    return script(otherwise);
  }
  return compiled.runInThisContext();
}

/** What Node's prompt wants: all that fits, and what it begins with. */
function complete(line) {
  const [word] = /[\w$.]*$/.exec(line);
  const at = word.lastIndexOf(".");
  let holder = globalThis;
  try {
    if (at >= 0) holder = Object(vm.runInThisContext(word.slice(0, at)));
  } catch {
    return [[], word];
  }
  const names = new Set();
  for (let one = holder; one !== null; one = Object.getPrototypeOf(one)) {
    for (const name of Object.getOwnPropertyNames(one)) names.add(word.slice(0, at + 1) + name);
  }
  return [[...names].filter((name) => name.startsWith(word)), word];
}
