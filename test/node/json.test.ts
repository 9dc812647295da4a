import * as fc from "fast-check";
import { expect, test } from "vitest";

import { looksLikeBigint, parseJson, stringifyJson } from "../../src/node/json.ts";
import { fromYaml, toYaml } from "../../src/node/yaml.ts";

const ROUNDED = ["9007199254740993", "-9007199254740993", "123456789012345678901234567890"];

test("parseJson() and fromYaml() give whole numbers that would be rounded as bigints", () => {
  for (const text of ROUNDED) {
    expect(parseJson(text)).toBe(BigInt(text));
    expect(fromYaml(text)).toBe(BigInt(text));
    expect(fromYaml(toYaml(BigInt(text)))).toBe(BigInt(text));
  }
  const text = `{"a": [1, 9007199254740993], "b": "9007199254740993", "9007199254740993": 1e300}`;
  const value = {
    a: [1, 9_007_199_254_740_993n],
    b: "9007199254740993",
    "9007199254740993": 1e300,
  };
  expect(parseJson(text)).toEqual(value);
  expect(fromYaml("a: [0x20000000000001, 7, -0]")).toEqual({ a: [2n ** 53n + 1n, 7, -0] });
});

test("parseJson() is JSON.parse for everything else, its errors included", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (text) => {
      expect(JSON.stringify(parseJson(text), unmarked)).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
  expect(parseJson('"\\"9007199254740993\\""')).toBe('"9007199254740993"');
  expect(parseJson("9007199254740991")).toBe(Number.MAX_SAFE_INTEGER);
  expect(parseJson("90071992547409.93e2")).toBe(2 ** 53);
  expect(Object.hasOwn(parseJson('{"__proto__": 9007199254740993}') as object, "__proto__")).toBe(
    true,
  );
  expect(() => parseJson("[9007199254740993")).toThrow(SyntaxError);
  expect(() => parseJson("{9007199254740993: 1}")).toThrow(SyntaxError);
});

test("looksLikeBigint() tells numbers that would be read as something else", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const isSame = typeof parseJson(JSON.stringify(value)) === "number";
      expect(looksLikeBigint(value)).toBe(!isSame);
    }),
    { examples: [[2 ** 53], [-(2 ** 60)], [1e20], [1e21]] },
  );
});

function unmarked(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}

test("parseJson() refuses numbers that are larger than any, and no others", () => {
  expect(() => parseJson('{"a": [1, -1e400]}')).toThrow(/-1e400 is larger than any number/);
  expect(() => parseJson(`${"9".repeat(400)}.5`)).toThrow(SyntaxError);
  expect(parseJson('["1e400", 1e-400, 1e+308]')).toEqual(["1e400", 0, 1e308]);
});

test("stringifyJson() and toYaml() keep -0, which parseJson() and fromYaml() read, and are JSON.stringify for everything else", () => {
  const value = { a: [-0, 0, 0.5, "-0"], "-0": -0, long: 2 ** 53 - 1 };
  expect(stringifyJson(value)).toBe('{"a":[-0,0,0.5,"-0"],"-0":-0,"long":9007199254740991}');
  for (const text of [stringifyJson(value), stringifyJson(value, 2)]) {
    expect(parseJson(text)).toEqual(value);
  }
  expect(fromYaml(toYaml(value))).toEqual(value);
  for (const text of ["-0", "-0.0", "[-0, 9007199254740993]"]) {
    expect([parseJson(text), fromYaml(text)].flat()).toContain(-0);
  }
  fc.assert(
    fc.property(fc.jsonValue(), (one) => {
      expect(parseJson(stringifyJson(one))).toEqual(parseJson(stringifyJson(one, 2)));
      expect(stringifyJson(one).replaceAll("-0", "0")).toBe(
        JSON.stringify(one).replaceAll("-0", "0"),
      );
    }),
  );
});
