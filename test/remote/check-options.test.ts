import { describe, expect, it } from "vitest";

import { memoryChannelPair } from "../../src/channel/memory.ts";
import { connect, listen, openSession } from "../../src/remote.ts";

const REFUSED: [unknown, RegExp][] = [
  [{ policcy: "trusted" }, /has no option "policcy" \(did you mean policy\?\)$/],
  [{ policy: "capabilities" }, /policy of \w+ is one of capability, trusted, not the string/],
  [{ policy: "trustd" }, /\(did you mean trusted\?\)$/],
  [{ plain: "copies" }, /plain of \w+ is one of reference, copy/],
  [{ limits: { maxDept: 5 } }, /'s limits has no option "maxDept" \(did you mean maxDepth\?\)$/],
  [{ timeoutMs: -1 }, /timeoutMs of \w+ is a number above 0, not -1$/],
  [{ limits: 5 }, /options of \w+'s limits are an object, not number 5$/],
  [{ signal: "soon" }, /is an AbortSignal/],
  [null, /options of \w+ are an object, not null$/],
];

describe("openSession()", () => {
  it.each(REFUSED)("refuses %o, and closes the channel that is its own", async (options, says) => {
    const [near, far] = memoryChannelPair();
    const opening = openSession(near, options as object);
    await expect(opening).rejects.toThrow(TypeError);
    await expect(opening).rejects.toThrow(says);
    await Promise.all([near.closed, far.closed]);
  });
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
