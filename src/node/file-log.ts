import type { Log, LogFields } from "../base/log.ts";

/** A log for files: one line each, with time, level and process. */
export function fileLog(stream: NodeJS.WritableStream): Log {
  const write = (level: string, message: string, fields: LogFields = {}): void => {
    const facts = Object.entries(fields).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
    const line = `${new Date().toISOString()} ${level} [${process.pid}] ${message}${facts.join("")}`;
    stream.write(`${line}\n`);
  };
  return {
    debug: () => {},
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
  };
}
