/** examples/browser, as somebody would run it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { describe, expect, it } from "vitest";

import { chromiumMissing, startChromium } from "./chromium.ts";
import { ROOT } from "./kit.ts";

const missing = chromiumMissing();
if (missing !== undefined) process.stderr.write(`\nSKIPPED: examples/browser: ${missing}\n\n`);

describe.skipIf(missing !== undefined)("examples/browser", () => {
  it("shows in every page what one of them adds to the server's board", async () => {
    const server = spawn(process.execPath, [join(ROOT, "examples/browser/server.mjs"), "0"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const browser = await startChromium();
    try {
      const [url] = (await once(createInterface(server.stdout), "line")) as [string];
      const pages = [await browser.newPage(), await browser.newPage()];
      const problems: string[] = [];
      for (const page of pages) {
        page.on("pageerror", (error) => problems.push(error.message));
        await page.goto(url);
        await page.getByText("connected").waitFor();
      }
      const [one, other] = pages as [(typeof pages)[0], (typeof pages)[0]];
      await one.fill("#text", "from the first");
      await one.click("button");
      await other.getByText("from the first").waitFor();
      await other.fill("#text", "from the second");
      await other.click("button");
      await one.getByText("from the second").waitFor();
      await one.waitForFunction("Number(document.getElementById('load').textContent) >= 0");

      // One that leaves is nobody's trouble, and one that comes later sees what there is.
      await other.close();
      await one.fill("#text", "third");
      await one.click("button");
      const late = await browser.newPage();
      await late.goto(url);
      await late.getByText("third").waitFor();
      expect(await late.locator("#notes li").count()).toBe(3);

      server.kill();
      await one.getByText("disconnected").waitFor();
      expect(problems.filter((problem) => !problem.includes("channel closed"))).toEqual([]);
    } finally {
      await browser.close();
      server.kill();
    }
  });
});
