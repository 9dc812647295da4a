import { cleanStack } from "./source-url.ts";

/** Errors may be each other's causes without end. */
const MAX_CAUSES = 8;

/**
 * An error of stored code as people should see it: its stack, and those of its causes, name places in
 * the stored text. The error itself is changed; anything else that was thrown is returned as it is.
 */
export function presentError(thrown: unknown): unknown {
  let error = thrown;
  for (let depth = 0; depth < MAX_CAUSES && error instanceof Error; depth++) {
    cleanError(error);
    error = error.cause;
  }
  return thrown;
}

function cleanError(error: Error): void {
  try {
    if (typeof error.stack === "string") error.stack = cleanStack(error.stack);
  } catch {
    // Frozen, or with a stack of its own making: it stays as it is.
  }
}
