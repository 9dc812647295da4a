import { release } from "../remote/helpers.ts";
import type { LinkSink } from "./peers.ts";

/** A sink as it crosses a session: one function, so that one reference is all there is to give back. */
export type SinkFunction = (
  what: "message" | "end" | "broken",
  piece?: Uint8Array | string,
  more?: boolean,
) => Promise<void> | void;

/** What the other side calls to reach `sink`. It may send anything. */
export function sinkFunction(sink: LinkSink): SinkFunction {
  return (what, piece, more) => {
    if (what === "message" && piece instanceof Uint8Array)
      return sink.message(piece, more === true);
    if (what === "end") return sink.end();
    if (what === "broken") return sink.broken(String(piece));
    throw new TypeError("an end of a link takes messages, its end, or that it is broken");
  };
}

/** The sink behind the other side's function, which it gives back when nothing more comes. */
export function sinkBehind(far: SinkFunction): LinkSink {
  const last = (what: "end" | "broken", reason?: string): void => {
    // Where the session is gone, whoever is there is told by that.
    void Promise.resolve(far(what, reason)).catch(() => {});
    release(far);
  };
  return {
    message: (piece, more) => far("message", piece, more),
    end: () => last("end"),
    broken: (reason) => last("broken", reason),
  };
}
