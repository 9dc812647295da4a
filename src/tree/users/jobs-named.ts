import { toPath } from "../../wire/path-text.ts";
import { Path, type PathLike } from "../../wire/path.ts";
import { decodeValue } from "../../wire/value.ts";
import { SYSTEM } from "../system-paths.ts";

/** Whether a job is kept at this path. */
export function isJob(path: Path): boolean {
  return path[0] === SYSTEM && path[1] === "job" && path.length > 2;
}

/**
 * The job, where `path` is a request for a run of it or for its end: that takes the right to change the
 * job.
 */
export function jobOfRequest(path: Path): Path | undefined {
  if (path[0] !== SYSTEM || path[1] !== "request" || path.length < 3) return undefined;
  return Path.fromElements([SYSTEM, "job", ...path.slice(2)]);
}

/** The procedure that a job runs; undefined for what no runner takes for a job. */
export function codeOfJob(value: Uint8Array | undefined): Path | undefined {
  const { code } = fieldsOf(value);
  if (typeof code !== "string" && !Array.isArray(code) && !(code instanceof Path)) return undefined;
  try {
    return Path.fromElements([SYSTEM, "code", "proc", ...toPath(code as PathLike)]);
  } catch {
    return undefined;
  }
}

/** Whether what is asked for is a run of the job; else it is its end. */
export function isRunRequest(value: Uint8Array): boolean {
  return fieldsOf(value)["action"] !== "cancel";
}

function fieldsOf(value: Uint8Array | undefined): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  try {
    return Object(decodeValue(value)) as Readonly<Record<string, unknown>>;
  } catch {
    // Nobody can read it.
    return {};
  }
}
