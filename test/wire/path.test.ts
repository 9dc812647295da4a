import { describe, expect, it } from "vitest";

import { WireError } from "../../src/base/errors.ts";
import { Path, type PathElement } from "../../src/wire/path.ts";

const ab = Path.fromElements(["a", "b"]);

describe("Path", () => {
  it("fromElements() keeps the types apart, but for -0", () => {
    expect([...Path.fromElements(["1", 1, true, null])]).toStrictEqual(["1", 1, true, null]);
    expect(Object.is(Path.fromElements([-0])[0], 0)).toBe(true);
  });

  it("fromElements() copies bytes and returns a path as it is", () => {
    const bytes = Uint8Array.of(1);
    const path = Path.fromElements([bytes]);
    bytes[0] = 2;
    expect(path[0]).toStrictEqual(Uint8Array.of(1));
    expect(Path.fromElements(path)).toBe(path);
  });

  it.each([
    ["a number that is not finite", [Infinity]],
    ["an array", [["a"]]],
    ["an object", [{}]],
    ["undefined", [undefined]],
    ["a hole", Object.assign(["a"], { length: 2 })],
    ["a bigint", [1n]],
    ["half a surrogate pair", ["a\udc00"]],
    ["33 elements", Array.from({ length: 33 }, () => "a")],
  ])("fromElements() refuses %s", (_, elements) => {
    expect(() => Path.fromElements(elements as PathElement[])).toThrow(WireError);
  });

  it.each([5, "a", { length: 0 }, null, undefined, true, () => 1])(
    "fromElements() refuses %s, which is no array",
    (like) => {
      const refused = expect.objectContaining({ code: "WIRE_BAD_PATH" }) as Error;
      expect(() => Path.fromElements(like as unknown as PathElement[])).toThrow(refused);
    },
  );

  it("PA3: append() and concat() give new paths and leave this one", () => {
    expect([...ab.append("c")]).toStrictEqual(["a", "b", "c"]);
    expect(ab.concat(["c", "d"]).equals(["a", "b", "c", "d"])).toBe(true);
    expect(ab.concat([])).toBe(ab);
    expect([...ab]).toStrictEqual(["a", "b"]);
    expect(Object.isFrozen(ab)).toBe(true);
  });

  it("parent and name take the last element off", () => {
    expect([...ab.parent]).toStrictEqual(["a"]);
    expect(ab.name).toBe("b");
    expect(Path.root.parent).toBe(Path.root);
    expect(Path.root.name).toBeUndefined();
  });

  it("contains() holds for itself and what is below, equals() for itself", () => {
    expect(ab.contains(ab.append(1))).toBe(true);
    expect(ab.contains(["a", "bc"])).toBe(false);
    expect(ab.contains(["a"])).toBe(false);
    expect(ab.equals(["a", "b"])).toBe(true);
    expect(Path.fromElements([Uint8Array.of(1)]).equals([Uint8Array.of(1)])).toBe(true);
    expect(Path.fromElements([1]).equals(["1"])).toBe(false);
  });

  it("map() and slice() give plain arrays", () => {
    expect(ab.map(String)).not.toBeInstanceOf(Path);
    expect(ab.slice(1)).toStrictEqual(["b"]);
  });

  it("toString() gives the text form", () => {
    const path = Path.fromElements(["a", 2, "c.d"]);
    expect(path.toString()).toBe("a:2.c:.d");
    expect(String(Path.root)).toBe(":");
  });
});
