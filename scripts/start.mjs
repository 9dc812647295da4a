// `npm start`: installs, builds, and runs the weather example.
import { spawn } from "node:child_process";

import { build, install, requireNode, root } from "./prepare.mjs";

requireNode();
install();
build();

const example = spawn(
  process.execPath,
  [`${root}/examples/weather/run.mjs`, ...process.argv.slice(2)],
  { stdio: "inherit" },
);
// The terminal sends Ctrl-C to the whole group: the example cleans up, and its exit code is ours.
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    if (signal === "SIGTERM") example.kill(signal);
  });
}
example.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
