// Removes each check of the policy and each limit on its own, in a copy of the sources, and runs the tests that
// have to notice: `node scripts/mutate-policy.mjs [parts of names or places]`; --list only lists them,
// --quick runs only the tests that are about nothing else, --fuzz only the fuzzer; --from=N begins with the Nth. To be built before. It ends with 1 if
// any was not noticed. What is removed is found by how refusals are written; what is not written so is in `more`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transformSync } from "@swc/wasm-typescript";

import { EQUIVALENT, FILES, MORE } from "./policy-mutations.mjs";

const root = join(import.meta.dirname, "..");
/** Everything that is to be refused, and some frames at random, on the built package: a second instead of ten. */
const FUZZ = "fuzz";
const FUZZ_FRAMES = 3_000;
const named = (names) => names.split(" ").map((name) => `test/remote/${name}.test.ts`);
const FIRST = named(
  "policy hostile builtins restricted expose opening check-options sync/intrinsics",
);
const SLOW = named("cases-lifetime scopes");
/** The fuzzer has a stage of its own, and looks at more than one file can be blamed for. */
const ELSEWHERE = new Set([...FIRST, ...SLOW, ...named("fuzz")]);
const others = readdirSync(join(root, "test/remote"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => `test/remote/${name}`)
  .filter((name) => !ELSEWHERE.has(name));
/** Those that notice most come first; the last are all that there are. */
const STAGES = [
  FUZZ,
  FIRST,
  [...others, "test/wire"],
  [...SLOW, "test/channel", "test/remote.test.ts"],
];
const MAX_RUN_MS = 120_000;
const REFUSAL =
  /(?<![.\w])(?:\?\?\s+|return\s+|:\s+)?(?<![.\w])(?:(?:malformed|violation|refuse|deny|overLimit|tooShort)\(|throw new (?:RemoteError|WireError)\()/g;
const REFUSERS = /function (?:malformed|violation|refuse|deny|overLimit|tooShort)\b/g;

/** Where a bracket is closed that is opened at `at`. */
function closing(text, at) {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    if ("([{".includes(text[i])) depth++;
    if (")]}".includes(text[i]) && --depth === 0) return i;
  }
  return -1;
}

function opening(text, at) {
  let depth = 0;
  for (let i = at; i >= 0; i--) {
    if (")]}".includes(text[i])) depth++;
    if ("([{".includes(text[i]) && --depth === 0) return i;
  }
  return -1;
}

function isValid(text) {
  try {
    transformSync(text, { mode: "strip-only", module: true });
    return true;
  } catch {
    return false;
  }
}

/** Each refusal of a file, taken out: its condition never holds, or it does nothing. */
function mutationsOf(file) {
  const text = readFileSync(join(root, file), "utf8");
  const helpers = [...text.matchAll(REFUSERS)].map(({ index }) => [
    index,
    closing(text, text.indexOf("{", closing(text, text.indexOf("(", index)))),
  ]);
  const found = [];
  for (const match of text.matchAll(REFUSAL)) {
    const { index } = match;
    if (helpers.some(([start, end]) => index >= start && index <= end)) continue;
    if (/function\s*$/.test(text.slice(0, index))) continue;
    const line = text.slice(0, index).split("\n").length;
    const shown = text.slice(index, index + 60).replace(/\s+/g, " ");
    let before = text.slice(0, index).trimEnd();
    if (before.endsWith("{")) before = before.slice(0, -1).trimEnd();
    const open = before.endsWith(")") ? opening(before, before.length - 1) : -1;
    const mutated =
      open > 0 && /\bif\s*$/.test(before.slice(0, open))
        ? `${text.slice(0, open)}(${text.slice(open, before.length)} && false)${text.slice(before.length)}`
        : text.slice(0, index) +
          match[0].replace(/throw new \w+\(|\w+\($/, "((..._) => undefined)(") +
          text.slice(index + match[0].length);
    found.push({ name: `${file}:${line} ${shown}`, file, text: mutated });
  }
  return found;
}

/** At each place where it is. */
function listed({ file, find, replace }) {
  const text = readFileSync(join(root, file), "utf8");
  const parts = text.split(find);
  if (parts.length < 2) throw new Error(`${file} has no ${find}`);
  return parts.slice(1).map((_, i) => ({
    name: `${file} ${parts.length > 2 ? `(${i + 1}) ` : ""}${find} -> ${replace}`.replaceAll(
      "\n",
      " ",
    ),
    file,
    text: [parts.slice(0, i + 1).join(find), parts.slice(i + 1).join(find)].join(replace),
  }));
}

const filters = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const isWanted = (name) => filters.length === 0 || filters.some((part) => name.includes(part));
const from = Number(/--from=(\d+)/.exec(process.argv.join(" "))?.[1] ?? 1);
const mutations = [...FILES.flatMap(mutationsOf), ...MORE.flatMap(listed)]
  .filter(({ name }) => isWanted(name) && !EQUIVALENT.some((part) => name.includes(part)))
  .slice(from - 1);
const wrong = mutations.filter(({ text }) => !isValid(text)).map(({ name }) => name);
if (wrong.length > 0) throw new Error(`these are no programs:\n${wrong.join("\n")}`);
if (process.argv.includes("--list")) {
  for (const { name } of mutations) process.stdout.write(`${name}\n`);
  process.stdout.write(`${mutations.length}\n`);
  process.exit(0);
}

const scratch = mkdtempSync(join(tmpdir(), "banyan-mutations-"));
for (const name of [
  "src",
  "build",
  "test",
  "scripts",
  "package.json",
  "tsconfig.json",
  "vitest.config.ts",
]) {
  cpSync(join(root, name), join(scratch, name), { recursive: true });
}
symlinkSync(join(root, "node_modules"), join(scratch, "node_modules"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** Whether all tests pass. What hangs is ended with all that it started. */
async function passes(tests) {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const pool = ["--pool", "threads", "--no-isolate", "--max-workers", "1", "--no-file-parallelism"];
  const suites = [vitest, "run", "--project", "unit", "--bail", "1", "--reporter", "dot", ...pool];
  const fuzz = ["scripts/fuzz-remote.mjs", String(FUZZ_FRAMES), "1"];
  const env = { ...process.env, FUZZ_SEED: "1", NODE_OPTIONS: "--max-old-space-size=1024" };
  const args = tests === FUZZ ? fuzz : [...suites, ...tests];
  const child = spawn(process.execPath, args, {
    cwd: scratch,
    env,
    detached: true,
    stdio: "ignore",
  });
  const timer = setTimeout(() => process.kill(0 - Number(child.pid), "SIGKILL"), MAX_RUN_MS);
  const [code] = await once(child, "exit");
  clearTimeout(timer);
  return code === 0;
}

/** Puts a mutation in a file and in what is built of it. Answers with what takes it out again. */
function mutate(file, text) {
  const places = [file, file.replace(/^src\//, "build/").replace(/\.ts$/, ".js")].map((name) =>
    join(scratch, name),
  );
  const before = places.map((place) => readFileSync(place));
  const { code } = transformSync(text, { mode: "strip-only", module: true });
  const built = code
    .replaceAll(/(from "\.[^"]*)\.ts"/g, '$1.js"')
    // Node 20 doesn't know it. What is not disposed of here are timers, which run out.
    .replaceAll(/^( *)(?:await )?using /gm, "$1const ");
  for (const [i, content] of [text, built].entries()) writeFileSync(places[i], content);
  return () => {
    for (const [i, place] of places.entries()) writeFileSync(place, before[i]);
  };
}

const last = process.argv.includes("--fuzz")
  ? 1
  : process.argv.includes("--quick")
    ? -1
    : undefined;
const stages = STAGES.slice(0, last);
for (const tests of stages) {
  if (!(await passes(tests))) throw new Error(`${tests} fails without any mutation`);
}
const survived = [];
for (const [i, { name, file, text }] of mutations.entries()) {
  const takeOut = mutate(file, text);
  let isSeen = false;
  for (const tests of stages) isSeen ||= !(await passes(tests));
  takeOut();
  if (!isSeen) survived.push(name);
  process.stdout.write(
    `${from + i}/${from - 1 + mutations.length} ${isSeen ? "seen    " : "SURVIVED"} ${name}\n`,
  );
}
// Nothing was seen that is there without a mutation.
for (const tests of stages) {
  if (!(await passes(tests))) throw new Error(`${tests} fails without any mutation by now`);
}
process.stdout.write(`${mutations.length} mutations, ${survived.length} survived\n`);
for (const name of survived) process.stdout.write(`  ${name}\n`);
process.exitCode = survived.length === 0 ? 0 : 1;
