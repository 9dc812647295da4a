import pc from "picocolors";

/**
 * Colours for what is written to a stream: for a terminal, unless `NO_COLOR` is set, or where `FORCE_COLOR` is.
 * The library's own look is at the process's stdout alone, and takes every `CI` for a terminal.
 */
export function colorsFor(
  { isTTY = false }: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): ReturnType<typeof pc.createColors> {
  const { NO_COLOR = "", FORCE_COLOR = "", TERM } = env;
  if (NO_COLOR !== "" || FORCE_COLOR === "0") return pc.createColors(false);
  return pc.createColors(FORCE_COLOR !== "" || (isTTY && TERM !== "dumb"));
}
