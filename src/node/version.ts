import { readFileSync } from "node:fs";

/** This package's version, out of its own package.json two folders up (from `src` and from `dist`). */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  }
).version;
