import { readFileSync } from "node:fs";

/**
 * Names the time since the machine was last started; "" where that can't be told. What was written to a
 * file within it is still there to be read, on the disk or not.
 */
export function bootId(): string {
  known ??= read();
  return known;
}

let known: string | undefined;

function read(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}
