import { Mark } from "./by-value.ts";

/** Without a mark that only says how the thing crosses. */
export function bare(value: unknown): unknown {
  return Mark.is(value) ? value.value : value;
}

/** As `await` sees it. A reference is none; a property of one is. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return typeof (value as { then?: unknown }).then === "function";
}
