import type { Log } from "../base/log.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";

/** Tells people of every error that opens, happens again or is resolved, until the signal. */
export async function followErrors(
  tree: Tree,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  try {
    for await (const event of tree.errors.watch({ signal })) {
      if (event.type !== "put") continue;
      const { subsystem, path, message, count, resolved } = event.record;
      const what = `${subsystem} ${formatPath(path)}: ${message}`;
      if (resolved === undefined) log.error(what, count > 1 ? { count } : undefined);
      else if (event.change) log.info(`resolved: ${what}`);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
