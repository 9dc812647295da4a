import { StringDecoder } from "node:string_decoder";
import { format } from "node:util";

import type { PrintLevel } from "./executor.ts";
import type { ThreadRun } from "./thread-run.ts";

/**
 * Sends what a run prints, by `console` or straight to the standard streams, to that run. What is
 * printed outside of any run goes where it went before.
 */
export function captureOutput(current: () => ThreadRun | undefined): void {
  captureConsole(current);
  captureStream(process.stdout, "info", current);
  captureStream(process.stderr, "error", current);
}

const LEVELS = {
  debug: "debug",
  log: "info",
  info: "info",
  dirxml: "info",
  warn: "warn",
  error: "error",
} as const satisfies Record<string, PrintLevel>;

/** The methods not named here print by way of these, or by the streams, as a trace does. */
function captureConsole(current: () => ThreadRun | undefined): void {
  for (const name of Object.keys(LEVELS) as (keyof typeof LEVELS)[]) {
    const original = console[name].bind(console);
    console[name] = (...data: unknown[]) => {
      if (current()?.print(LEVELS[name], format(...data)) !== true) original(...data);
    };
  }
}

function captureStream(
  stream: NodeJS.WriteStream,
  level: PrintLevel,
  current: () => ThreadRun | undefined,
): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  // Of each run, for a character may come in two pieces.
  const decoders = new WeakMap<ThreadRun, StringDecoder>();
  stream.write = (chunk: Uint8Array | string, ...rest: unknown[]): boolean => {
    const run = current();
    if (run?.isListenedTo !== true) return write(chunk, ...rest);
    let decoder = decoders.get(run);
    if (decoder === undefined) decoders.set(run, (decoder = new StringDecoder()));
    run.write(level, typeof chunk === "string" ? chunk : decoder.write(Buffer.from(chunk)));
    const done = rest.at(-1);
    if (typeof done === "function") queueMicrotask(() => void done());
    return true;
  };
}
