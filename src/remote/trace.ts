import type { Log } from "../base/log.ts";
import { Operation } from "./protocol.ts";

/** One step of a call: what it is about, and none of the values in it. */
export interface TraceEvent {
  readonly direction: "sent" | "received";
  readonly type: "request" | "answer" | "failure";
  /** Counts the requests of the side that made it. */
  readonly request: number;
  /** Of requests: what is done with what is at the end of the path. */
  readonly operation?: string;
  readonly path?: readonly string[];
  /** On whose behalf it is made; 0 on nobody's. */
  readonly chain?: number;
}

/** What it throws is logged. */
export type Trace = (event: TraceEvent) => void;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Operation).map(([name, operation]) => [operation, name]),
);

export function requestEvent(
  direction: TraceEvent["direction"],
  about: {
    readonly request: number;
    readonly operation: Operation;
    readonly path: readonly string[];
    readonly chain: number;
  },
): TraceEvent {
  const operation = NAMES.get(about.operation) ?? "";
  return { ...about, direction, type: "request", operation };
}

/** A hook must not break what it looks at. */
export function guarded(trace: Trace | undefined, log: Log): Trace | undefined {
  if (trace === undefined) return undefined;
  return (event) => {
    try {
      trace(event);
    } catch (error) {
      log.error("the trace hook failed", { error });
    }
  };
}
