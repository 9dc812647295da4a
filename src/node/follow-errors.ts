import type { Log } from "../base/log.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";
import { LOAD_SUBSYSTEM } from "./load-directory.ts";

/** Tells people of every error that opens, happens again or is resolved, until the signal. */
export async function followErrors(
  tree: Tree,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  // What was resolved before we came is no news.
  let present = true;
  try {
    for await (const event of tree.errors.watch({ signal })) {
      if (event.type === "ready") present = false;
      if (event.type !== "record") continue;
      const { subsystem, path, message, count, resolved } = event.record;
      // The loader tells of its own at once.
      if (subsystem === LOAD_SUBSYSTEM) continue;
      const what = `${subsystem} ${formatPath(path)}: ${message}`;
      if (resolved === undefined) {
        log.error(what, count > 1 ? { count } : undefined);
        const frame = event.record.data["frame"];
        if (typeof frame === "string" && count === 1) log.error(frame);
      } else if (!present) log.info(`resolved: ${what}`);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
