import { createHash } from "node:crypto";

import { encodeTreeValue } from "../tree/entry.ts";
import type { JobEntry } from "./job.ts";

const KEY_LENGTH = 16;

/**
 * What a run is started with, as a short text: an entry with another key is worth another try at once. The
 * schedule and the notes don't count.
 */
export function inputKey({ code, data, executor, timeout }: JobEntry): string {
  const bytes = encodeTreeValue([code, data, executor, timeout ?? null]);
  return createHash("sha256").update(bytes).digest("hex").slice(0, KEY_LENGTH);
}
