import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { fromExactJson, toExactJson } from "../../src/node/exact-json.ts";
import { parseJson } from "../../src/node/json.ts";
import { fromYaml, toYaml } from "../../src/node/yaml.ts";
import { Path } from "../../src/wire/path.ts";
import { encodeValue } from "../../src/wire/value.ts";
import { value as arbitraryValue } from "../wire/arbitrary.ts";

describe("toExactJson()", () => {
  it("loses nothing of any value, as JSON and as YAML", () => {
    fc.assert(
      fc.property(arbitraryValue, (value) => {
        const json = toExactJson(value);
        const asJson: unknown = parseJson(JSON.stringify(json));
        expect(encodeValue(fromExactJson(asJson))).toEqual(encodeValue(value));
        expect(encodeValue(fromExactJson(fromYaml(toYaml(json))))).toEqual(encodeValue(value));
      }),
      { numRuns: 300 },
    );
  });

  it("writes what JSON has as it is, and tags the rest", () => {
    expect(toExactJson({ a: [1, "x", null, true] })).toEqual({ a: [1, "x", null, true] });
    expect(toExactJson(2n)).toEqual({ $bigint: "2" });
    expect(toExactJson(2 ** 60)).toEqual({ $number: "1152921504606847000" });
    expect(toExactJson(1e21)).toBe(1e21);
    expect(toExactJson(-0)).toEqual({ $number: "-0" });
    expect(toExactJson(Path.fromElements(["a", 2]))).toEqual({ $path: "a:2" });
    expect(toExactJson({ $path: "a" })).toEqual({ $object: { $path: "a" } });
  });
});

describe("fromExactJson()", () => {
  it("refuses tags that mean nothing", () => {
    for (const bad of [
      { $nothing: "1" },
      { $bigint: "x" },
      { $bytes: 1 },
      { $bytes: "!!!" },
      { $date: "soon" },
      { $number: "1" },
      { $number: "1152921504606846976" },
      { $path: "a..b" },
      { $wire: "yA==" },
    ]) {
      // prettier-ignore
      expect(() => fromExactJson(bad)).toThrow(
        expect.objectContaining({ code: "NODE_BAD_VALUE" }),
      );
    }
  });
});
