import { RemoteError } from "../base/errors.ts";

/** What ended a session that neither side closed in order. */
export function broken(what: string, cause: unknown): RemoteError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new RemoteError("REMOTE_BROKEN", `${what}${why}`, { cause });
}

/** How a session ended, for those who wait for it. */
export interface SessionEnd {
  /** What `closed` resolves to. */
  readonly closed: Error | undefined;
  /** What pending calls fail with. */
  readonly pending: RemoteError;
  /** What `onBroken` tells; undefined after this side's own `close()`. */
  readonly brokenBy: { readonly error: unknown } | undefined;
}
