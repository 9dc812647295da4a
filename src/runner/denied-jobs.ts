import { BanyanError } from "../base/errors.ts";
import type { StoredError } from "../tree/error-record.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";
import { Path } from "../wire/path.ts";

/** The jobs at and below a path that nodes did not start, for who set them may not run their code; why, by name. */
export async function deniedJobs(tree: Tree, below: Path): Promise<ReadonlyMap<string, string>> {
  const root = tree.system.error.append("job");
  const denied = new Map<string, string>();
  try {
    for await (const { path, value } of tree.walk(root.concat(below))) {
      const text = deniedText(value);
      if (text === undefined) continue;
      denied.set(formatPath(Path.fromElements(path.slice(root.length))), text);
    }
  } catch (error) {
    // Who may not read what went wrong can list jobs all the same.
    if (!BanyanError.has(error, "ENGINE_DENIED")) throw error;
  }
  return denied;
}

/** What the record of a job's errors says of that; undefined where it is of something else. */
export function deniedText(record: unknown): string | undefined {
  const { code, message, resolved } = Object(record) as Partial<StoredError>;
  return code === "RUNNER_DENIED" && resolved === undefined ? String(message) : undefined;
}
