// Calls and loads stored code: `coder.mjs`. Runs the row that its parent names, each in a process of its own so that
// none is compiled for another's sake. Answers with nanoseconds.
import { compileFunction } from "node:vm";

import { CodeRoot, ModuleRoot, open } from "banyan";

import { answer, RUN_MS, WARM_MS } from "../lib/measure.mjs";
import { moduleText, plainText } from "../lib/stored-code.mjs";

const MODULES = 100;
const BLOCK = 1000;

function expect(ok, what) {
  if (!ok) throw new Error(`wrong result: ${what}`);
}

const plain = (a) => a + 1;
const plainAsync = async (a) => a + 1;

const ROWS = {
  "plain function": () => perCall((i) => plain(i)),
  'code("bench.inc", 1)': async () => {
    const code = await stored("return a + 1");
    return perCall((i) => code("bench.inc", i));
  },
  'code.run("bench.inc", { a: 1 })': async () => {
    const code = await stored("return a + 1");
    return perCall((i) => code.run("bench.inc", { a: i }));
  },
  "plain async function, awaited": () => perAsyncCall(plainAsync),
  "the same, stored with `is_async: true`": async () => {
    const code = await stored("return a + 1", { is_async: true });
    return perAsyncCall((i) => code("bench.inc", i));
  },
  "compileFunction of the text": () => {
    loadPlain(1);
    const start = performance.now();
    loadPlain(1_000_000);
    return perModule(start);
  },
  "compile, link and evaluate": async () => {
    await load(1);
    const tree = await store(1_000_000);
    const start = performance.now();
    const code = await CodeRoot.open(tree);
    expect(code("bench.depth") === MODULES, "depth");
    const time = perModule(start);
    await code.close();
    return time;
  },
  "a change below all of them, until it is live": async () => {
    const tree = await store(1);
    const code = await CodeRoot.open(tree);
    const modules = await ModuleRoot.open(code.library);
    const times = [];
    for (let i = 1; i <= 5; i++) {
      const start = performance.now();
      const text = `${moduleText(2_000_000 + i)}\nexport const round = ${i};`;
      const { revision } = await modules.add("bench.m0", { code: text });
      await code.settled(revision);
      times.push((performance.now() - start) * 1e6);
      expect(code("bench.depth") === MODULES, "depth after a change");
    }
    return times.sort((a, b) => a - b)[2];
  },
};

const perModule = (start) => ((performance.now() - start) / MODULES) * 1e6;

async function stored(text, more = {}) {
  const code = await CodeRoot.open(await open("memory:"));
  await code.add("bench.inc", { code: text, vars: ["a"], ...more });
  return code;
}

/** Results go into a sum that is looked at, so that no call can be left out. */
function perCall(call) {
  let i = 0;
  const phase = (ms) => {
    const [first, start] = [i, performance.now()];
    let sum = 0;
    while (performance.now() - start < ms) {
      for (let j = 0; j < BLOCK; j++) sum += call(i++) - i;
    }
    expect(sum === 0, "sum of calls");
    return ((performance.now() - start) / (i - first)) * 1e6;
  };
  phase(WARM_MS);
  return phase(RUN_MS);
}

async function perAsyncCall(call) {
  let i = 0;
  const phase = async (ms) => {
    const [first, start] = [i, performance.now()];
    let sum = 0;
    while (performance.now() - start < ms) {
      for (let j = 0; j < BLOCK; j++) sum += (await call(i++)) - i;
    }
    expect(sum === 0, "sum of async calls");
    return ((performance.now() - start) / (i - first)) * 1e6;
  };
  await phase(WARM_MS);
  return phase(RUN_MS);
}

function loadPlain(seed) {
  for (let i = 0; i < MODULES; i++) {
    expect(compileFunction(plainText(seed + i))() === 1, "plain text");
  }
}

/** A chain: each module imports the one before, and a procedure the last. */
async function store(seed) {
  const tree = await open("memory:");
  for (let i = 0; i < MODULES; i++) {
    const code = moduleText(seed + i, i === 0 ? undefined : `tree:bench.m${i - 1}`);
    await tree.set(tree.system.module.concat(["bench", `m${i}`]), { code });
  }
  const code = `import { depth } from "tree:bench.m${MODULES - 1}"; return depth`;
  await tree.set(tree.system.proc.concat(["bench", "depth"]), { code });
  return tree;
}

async function load(seed) {
  const code = await CodeRoot.open(await store(seed));
  expect(code("bench.depth") === MODULES, "depth");
  await code.close();
}

answer((row) => ROWS[row]());
