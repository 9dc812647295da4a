import { readFile } from "node:fs/promises";

let text: Promise<string> | undefined;

/** What the far side of a gateway runs: see `scripts/bundle.mjs`. */
export function farSource(): Promise<string> {
  text ??= readFile(new URL("../entry/gateway-far.cjs", import.meta.url), "utf8");
  return text;
}
