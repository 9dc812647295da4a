import { describe, expect, it } from "vitest";

import { checkOptions, type OptionNames } from "../../src/base/options.ts";

interface Options {
  readonly ifRevision?: number;
  readonly signal?: AbortSignal;
}

const NAMES: OptionNames<Options> = { ifRevision: true, signal: true };
const check = (options: unknown): void => checkOptions(options as Options, NAMES, "tree.set");

describe("checkOptions()", () => {
  it.each([
    {},
    Object.freeze({}),
    { ifRevision: undefined },
    { signal: AbortSignal.abort() },
    { signal: undefined },
    { signal: { aborted: false, addEventListener: () => {} } },
    Object.create({ ifRevision: 1 }),
  ])("lets %o through", (options) => {
    expect(() => check(options)).not.toThrow();
  });

  it.each([
    [{ ifrevision: 1 }, 'tree.set has no option "ifrevision" (did you mean ifRevision?)'],
    [{ other: undefined }, 'tree.set has no option "other" (it has ifRevision, signal)'],
    [{ constructor: 1 }, 'tree.set has no option "constructor" (it has ifRevision, signal)'],
    [
      JSON.parse('{"__proto__":1}'),
      'tree.set has no option "__proto__" (it has ifRevision, signal)',
    ],
    [Object.create({ sginal: 1 }), 'tree.set has no option "sginal" (did you mean signal?)'],
    [null, "the options of tree.set are an object, not null"],
    ["abc", 'the options of tree.set are an object, not the string "abc"'],
    [() => 1, "the options of tree.set are an object, not a function"],
    [{ signal: 5 }, "the signal of tree.set is an AbortSignal, not number 5"],
    [{ signal: null }, "the signal of tree.set is an AbortSignal, not null"],
  ])("refuses %o", (options, message) => {
    expect(() => check(options)).toThrow(new TypeError(message));
  });
});
