#!/usr/bin/env node
import { setMaxListeners } from "node:events";

import { runCli } from "../cli/program.ts";
import { onSupervisorGone } from "../node/supervise.ts";

const controller = new AbortController();
// One for each operation under way.
setMaxListeners(0, controller.signal);
let asked = 0;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    asked += 1;
    // Who asks twice does not want to wait for an orderly end.
    if (asked > 1) process.exit(130);
    controller.abort(new Error(`stopped by ${name}`));
  });
}
onSupervisorGone(() => controller.abort(new Error("the supervisor is gone")));
// The reader of a pipe went away (`| head`): there is nobody left to tell anything.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  signal: controller.signal,
});
