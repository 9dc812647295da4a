import type { Path } from "../../wire/path.ts";
import type { RunReason } from "../job.ts";

/** The plain values that a run is started with. */
export interface RunValues {
  readonly job: Path;
  readonly node: string;
  readonly token: number;
  /** The run's id. */
  readonly run: string;
  readonly reason: RunReason;
  /** The job entry as it is stored, with its defaults. */
  readonly entry: Readonly<Record<string, unknown>>;
  /** The entry's data: the procedure's variables by name. */
  readonly data: Readonly<Record<string, unknown>>;
  /** What the code sees as `_cfg`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Events that may wait in `_info` before it overflows. Default 1,000. */
  readonly backlog?: number | undefined;
}
