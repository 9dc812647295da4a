import { createHash } from "node:crypto";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Script } from "node:vm";

/** When what was compiled by then is kept: what a start needs, and what its first clients do. */
const KEEP_AFTER_MS = 1_000;
const SUM_BYTES = 32;

/** Takes what a module of the older kind is given by its names. */
type Wrapped = (...given: readonly unknown[]) => void;

/**
 * Runs the CommonJS program in `file`, with what V8 compiled when it ran before: compiling a large one
 * takes as long as all the rest of its start. A cache that is missing, damaged or of another version is made
 * anew a moment later. (Node's own cache for this came with version 22.) The program must not use `import()`:
 * of what was compiled before, Node does not know where that imports from.
 *
 * @param cache where it is kept, in a folder that nobody else can write: what is in it is run. Undefined:
 *   nowhere
 */
export function runCached(file: string, cache: string | undefined): void {
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, "utf8")}\n})`;
  const mark = cache === undefined ? "" : markOf(file);
  const cachedData = cache === undefined ? undefined : readCache(cache, mark);
  const script = new Script(source, { filename: file, cachedData });
  const module = { exports: {} };
  const run = script.runInThisContext() as Wrapped;
  run(module.exports, createRequire(file), module, file, dirname(file));
  if (cache === undefined || (cachedData !== undefined && script.cachedDataRejected !== true))
    return;
  setTimeout(() => writeCache(cache, mark, script), KEEP_AFTER_MS).unref();
}

/** V8 knows its own version, but of the text only how long it is. */
function markOf(file: string): string {
  const { size, mtimeMs } = statSync(file);
  return `${process.version} ${process.arch} ${size} ${mtimeMs} ${file}\n`;
}

function readCache(cache: string, mark: string): Buffer | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(cache);
  } catch {
    // There is none yet.
    return undefined;
  }
  const head = Buffer.from(mark);
  if (!bytes.subarray(0, head.length).equals(head)) return undefined;
  const sum = bytes.subarray(head.length, head.length + SUM_BYTES);
  const compiled = bytes.subarray(head.length + SUM_BYTES);
  return sum.equals(sumOf(compiled)) ? compiled : undefined;
}

/** V8 runs whatever it is given: one wrong byte, as a power failure may leave it, ends the process. */
function sumOf(compiled: Uint8Array): Buffer {
  return createHash("sha256").update(compiled).digest();
}

function writeCache(cache: string, mark: string, script: Script): void {
  const draft = `${cache}.${process.pid}`;
  try {
    const compiled = script.createCachedData();
    const content = Buffer.concat([Buffer.from(mark), sumOf(compiled), compiled]);
    writeFileSync(draft, content, { mode: 0o600 });
    renameSync(draft, cache);
  } catch (error) {
    // It only would have made the next start faster.
    process.emitWarning(`what was compiled can't be kept: ${String(error)}`);
  }
}
