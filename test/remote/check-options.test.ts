import { describe, expect, it } from "vitest";

import { memoryChannelPair } from "../../src/channel/memory.ts";
import { connect, listen, openSession } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

const REFUSED: [unknown, RegExp][] = [
  [{ policcy: "trusted" }, /has no option "policcy" \(did you mean policy\?\)$/],
  [{ policy: "capabilities" }, /policy of \w+ is one of capability, trusted, not the string/],
  [{ policy: "trustd" }, /\(did you mean trusted\?\)$/],
  [{ plain: "copies" }, /plain of \w+ is one of reference, copy/],
  [{ limits: { maxDept: 5 } }, /'s limits has no option "maxDept" \(did you mean maxDepth\?\)$/],
  [{ timeoutMs: -1 }, /timeoutMs of \w+ is a number above 0, not -1$/],
  [{ limits: 5 }, /options of \w+'s limits are an object, not number 5$/],
  ...(
    [
      ["maxExports", Number.NaN, "NaN"],
      ["maxExports", -1, "-1"],
      ["maxPendingCalls", 0, "0"],
      ["maxItems", "1000", 'the string "1000"'],
      ["maxItems", 1.5, "1.5"],
      ["maxUnsentBytes", Number.POSITIVE_INFINITY, "Infinity"],
      ["maxRequestsPerMessage", null, "null"],
      ["maxDepth", 100_000, "100000"],
      ["maxMessageBytes", 1_000, "1000"],
      ["helloMs", 2 ** 31, "2147483648"],
      ["closeGraceMs", -1, "-1"],
    ] as const
  ).map(([name, value, shown]): [unknown, RegExp] => [
    { limits: { [name]: value } },
    new RegExp(`^${name} of \\w+'s limits is a whole number from \\d+ to \\d+, not ${shown}$`),
  ]),
  [{ signal: "soon" }, /is an AbortSignal/],
  [null, /options of \w+ are an object, not null$/],
];

describe("openSession()", () => {
  it.each(REFUSED)("refuses %o, and closes the channel that is its own", async (options, says) => {
    const [near, far] = memoryChannelPair();
    const opening = openSession(near, options as object);
    await expect(opening).rejects.toThrow(says);
    expect(((await opening.catch((error: Error) => error)) as Error).name).toMatch(
      /^(Type|Range)Error$/,
    );
    await Promise.all([near.closed, far.closed]);
  });
});

it("a limit that is undefined is the default", async () => {
  const limits = { maxExports: undefined, maxDepth: undefined } as unknown as {
    maxExports: number;
  };
  await using pair = await sessionPair({ far: { exports: { echo: (x: unknown) => x }, limits } });
  expect(await pair.near.remote<(x: unknown) => unknown>("echo")(() => 1)).toBeTypeOf("function");
});

describe("connect() and listen()", () => {
  it.each(REFUSED)("refuse %o before anything is opened", async (options, says) => {
    const nowhere = "unix:/nowhere/at.all";
    await expect(connect(nowhere, options as object)).rejects.toThrow(says);
    await expect(listen(nowhere, options as object)).rejects.toThrow(says);
  });

  it.each([5, undefined, null, {}])("refuse %o, which is no address", async (url) => {
    await expect(connect(url as string)).rejects.toThrow(/^an address is a string, not /);
    await expect(listen(url as string, {})).rejects.toThrow(/^an address is a string, not /);
  });
});
