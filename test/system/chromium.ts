import { existsSync } from "node:fs";

import { type Browser, chromium } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";

/** It asks nobody for anything but our page. */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Why there can be no browser here, and what to do about it; `undefined` where there can. */
export function chromiumMissing(): string | undefined {
  if (existsSync(CHROMIUM)) return undefined;
  return `there is no ${CHROMIUM}: install Debian's chromium, or run npm test as root, which does`;
}

export function startChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: 30_000 });
}
