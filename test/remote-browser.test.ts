import { readFileSync } from "node:fs";
import { posix } from "node:path";

import { describe, expect, it } from "vitest";

import * as node from "../src/remote.ts";
import * as browser from "../src/remote-browser.ts";

/** Every file that a page would load, and what those import beside each other. */
function graphOf(entry: string): { readonly files: Set<string>; readonly others: Set<string> } {
  const files = new Set<string>([entry]);
  const others = new Set<string>();
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    const statements = text.matchAll(/^(?:import|export)\s(?!type\b)[^;]*?from\s+"([^"]+)";/gms);
    const calls = text.matchAll(/\bimport\(\s*"([^"]+)"\s*\)|^import "([^"]+)";/gm);
    for (const [, from, bare] of [...statements, ...calls]) {
      const specifier = from ?? bare ?? "";
      if (specifier.startsWith(".")) files.add(posix.join(posix.dirname(file), specifier));
      else others.add(`${file}: ${specifier}`);
    }
  }
  return { files, others };
}

describe("banyan/remote for browsers", () => {
  it("needs neither Node nor a package, in any of its files", () => {
    const { files, others } = graphOf("src/remote-browser.ts");
    expect(files.size).toBeGreaterThan(30);
    expect([...others]).toEqual([]);
    const wrong = [...files].filter((file) =>
      /\b(?:Buffer|require|__dirname)\b[.(]/.test(code(file)),
    );
    expect(wrong).toEqual([]);
  });

  it("offers what banyan/remote offers, but for listening and blocking", () => {
    const missing = Object.keys(node).filter((name) => !(name in browser));
    expect(missing.toSorted()).toEqual([
      "connectSync",
      "listen",
      "listenSync",
      "refuseBlocking",
      "threadChannel",
    ]);
  });

  it("connect() refuses what a page can't reach", async () => {
    await expect(browser.connect("tcp://127.0.0.1:9")).rejects.toMatchObject({
      code: "NODE_BAD_URL",
      message: expect.stringContaining("ws: or wss:"),
    });
  });
});

function code(file: string): string {
  return readFileSync(file, "utf8").replaceAll(/\/\*.*?\*\/|\/\/.*$/gms, "");
}
