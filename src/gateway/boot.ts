/**
 * How an interpreter that has nothing but Node becomes the far side of a gateway: it is started with
 * a few lines on its command line, reads one frame (see `wire/frame.ts`) with the rest of the source,
 * and runs that. From then on the same pipes carry a session.
 */

/** The pipes of the far side, and whether a network lies between. */
interface BootPipes {
  readonly read: number;
  readonly write: number;
  /** Whether the other side may vanish without this one's input ending. */
  readonly remote: boolean;
}

/** What the far side's program exits with where its Node is too old. */
export const TOO_OLD = 78;

/** What the command line holds. It has to be understood by a Node of any age. */
export function bootScript(pipes: BootPipes): string {
  return `"use strict";{
const major = parseInt(process.versions.node, 10);
if (major < 20) {
  process.stderr.write("a gateway needs Node 20.19 or newer; this is " + process.version + "\\n");
  process.exit(${TOO_OLD});
}
const fs = require("fs"), vm = require("vm"), cell = new Int32Array(new SharedArrayBuffer(4));
const take = (size) => {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size;) {
    try {
      const got = fs.readSync(${pipes.read}, bytes, at, size - at, null);
      if (got === 0) process.exit(0);
      at += got;
    } catch (error) {
      if (error.code === "EOF") process.exit(0);
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(cell, 0, 0, 1);
    }
  }
  return bytes;
};
const source = take(take(4).readUInt32LE(0)).toString();
${RUN}
far.startProcess(Object.assign(${JSON.stringify(pipes)}, { source }));
}`;
}

/** The same in a thread, which gets the source with its data. */
export function workerScript(): string {
  return `"use strict";{
const vm = require("vm"), { source } = require("worker_threads").workerData;
${RUN}
far.startThread({ source });
}`;
}

/** The source is a CommonJS module: see `scripts/bundle.mjs`. */
const RUN = `const far = {};
new vm.Script("(function (exports, require) {" + source + "\\n})", { filename: "banyan-gateway.js" })
  .runInThisContext()(far, require);`;
