import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";

import { colorsFor } from "../../src/cli/colors.ts";
import { type Format, inline, Output } from "../../src/cli/output.ts";

const HOSTILE = "on\u001B]0;mine\u0007\r\nroot\u009B2J";

async function printed(
  isTTY: boolean,
  print: (output: Output) => void,
  format: Format = "table",
): Promise<string> {
  const stdout = Object.assign(new PassThrough(), { isTTY });
  print(
    new Output({ format, quiet: false, streams: { stdout, stderr: new PassThrough(), env: {} } }),
  );
  stdout.end();
  return text(stdout);
}

function colored(isTTY: boolean | undefined, env: Record<string, string>): boolean {
  return colorsFor(isTTY === undefined ? {} : { isTTY }, env).isColorSupported;
}

describe("colorsFor()", () => {
  it("are for terminals, and for who asks (CL3)", () => {
    expect(colored(true, {})).toBe(true);
    expect(colored(true, { TERM: "dumb" })).toBe(false);
    expect(colored(true, { NO_COLOR: "1" })).toBe(false);
    expect(colored(undefined, { FORCE_COLOR: "1" })).toBe(true);
    expect(colored(true, { FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(false);
    expect(colored(true, { FORCE_COLOR: "0" })).toBe(false);
  });

  it("are not for a pipe, wherever that is", () => {
    for (const env of [{}, { CI: "true" }, { NO_COLOR: "" }]) {
      expect([colored(false, env), colored(undefined, env)]).toEqual([false, false]);
    }
  });
});

describe("Output", () => {
  it.each([true, false])("spells out what would steer a terminal (terminal: %s)", async (isTTY) => {
    const columns = [{ head: "value", cell: (value: unknown) => inline(value) }];
    const rows = await printed(isTTY, (output) => output.rows([HOSTILE], columns));
    const event = await printed(isTTY, (output) => output.event({}, `1\t${inline(HOSTILE)}`));
    for (const shown of [rows, event]) {
      expect(shown).toContain("on\\x1b]0;mine\\x07\\x0d");
      expect(shown).toContain("root\\x9b2J");
    }
  });

  it.each(["table", "raw", "json", "jsonl", "yaml"] as const)("keeps -0 as %s", async (format) => {
    const value = await printed(false, (output) => output.value(-0), format);
    expect(value).toBe("-0\n");
    const columns = [{ head: "value", cell: inline }];
    expect(await printed(false, (output) => output.rows([-0], columns), format)).toContain("-0");
    expect(await printed(false, (output) => output.event(-0), format)).toBe("-0\n");
  });

  it("gives a single value as it is", async () => {
    expect(await printed(true, (output) => output.value(HOSTILE))).toBe(`${HOSTILE}\n`);
  });
});
