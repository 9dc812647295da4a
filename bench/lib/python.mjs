// Callers in Python: they answer as `answer` in measure.mjs does, in lines of JSON over their standard streams.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { keep } from "./measure.mjs";
import { progress } from "./report.mjs";

const INTERPRETERS = ["python3", "/usr/bin/python3"];

/** The interpreter that has `module`; `undefined`, and said, where none has. */
export function pythonWith(module) {
  for (const interpreter of INTERPRETERS) {
    try {
      execFileSync(interpreter, ["-c", `import ${module}`], { stdio: "ignore" });
      return interpreter;
    } catch {
      // The next may have it.
    }
  }
  progress(`SKIPPED ${module}: no Python with it here (apt-get install python3-${module})`);
  return undefined;
}

/** Starts `NAME.py` of the processes' folder; resolves when it is ready for `ask`. */
export async function pythonCaller(interpreter, name) {
  const script = fileURLToPath(new URL(`../processes/${name}.py`, import.meta.url));
  const child = spawn(interpreter, [script], { stdio: ["pipe", "pipe", "inherit"] });
  keep(child);
  child.send = (message) => child.stdin.write(`${JSON.stringify(message)}\n`);
  createInterface({ input: child.stdout }).on("line", (line) => {
    child.emit("message", JSON.parse(line));
  });
  const ready = await Promise.race([
    once(child, "message").then(() => true),
    once(child, "exit").then(() => false),
  ]);
  if (!ready) throw new Error(`${name}.py ended early`);
  return child;
}
