import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";

import { Screen } from "../../src/cli/screen.ts";

const ESCAPE = "\u001B[";

/** What a terminal of so many rows shows in the end; it knows what `Screen` uses. */
async function shown(rows: number, draws: readonly string[]): Promise<string[]> {
  const stdout = Object.assign(new PassThrough(), { rows });
  const screen = new Screen(stdout);
  for (const draw of draws) screen.draw(draw);
  stdout.end();
  let lines = [""];
  const [, ...parts] = `m${await text(stdout)}`.replaceAll("\r", "").split(ESCAPE);
  for (const part of parts) {
    const [, count, command, after = ""] = /^\??(\d*)([AJhl])([^]*)$/.exec(part) ?? [];
    if (command === "A") lines = lines.slice(0, lines.length - Number(count));
    else if (command === "J") lines[lines.length - 1] = "";
    const [first = "", ...more] = after.split("\n");
    lines = [...lines.slice(0, -1), `${lines.at(-1)}${first}`, ...more];
  }
  return lines;
}

describe("Screen", () => {
  it("draws in the place of what was there, be that longer or shorter", async () => {
    expect(await shown(24, ["a\nb\nc", "d", "e\nf"])).toEqual(["e", "f", ""]);
    expect(await shown(24, ["a"])).toEqual(["a", ""]);
  });

  it("counts what the screen has no room for", async () => {
    const many = Array.from({ length: 30 }, (_, n) => `line ${n}`).join("\n");
    const lines = await shown(10, [many, many]);
    expect(lines).toHaveLength(10);
    expect(lines.slice(-3)).toEqual(["line 7", "and 22 more", ""]);
  });
});
