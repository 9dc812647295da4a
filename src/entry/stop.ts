/** Aborted when the process is asked to end: by Ctrl-C, by who started it, or with its terminal. */
export function stopController(): AbortController {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => controller.abort(new Error(`stopped by ${name}`)));
  }
  return controller;
}
