import { describe, expect, it } from "vitest";

import { TreeError } from "../../../src/base/errors.ts";
import { Redactor } from "../../../src/tree/secrets/redactor.ts";

const SECRET = 'pass "word" \u00fc/1';

describe("Redactor", () => {
  it("hides a secret as it is, and as JSON, a URL, base64 and hex have it", () => {
    const redactor = new Redactor();
    redactor.hide({ deep: [SECRET, 1234567n], bytes: new Uint8Array([1, 2, 3, 4, 5]) });
    const bytes = Buffer.from(SECRET);
    for (const form of [
      SECRET,
      JSON.stringify({ a: SECRET }),
      encodeURIComponent(SECRET),
      bytes.toString("base64"),
      bytes.toString("base64url"),
      bytes.toString("hex"),
      "number 1234567",
      "AQIDBAU=",
      "0102030405",
    ]) {
      const shown = redactor.apply(`<${form}>`);
      expect(shown).toContain("[secret]");
      for (const part of ["word", "d29yZ", "776f7264", "4567", "QIDB", "0203"]) {
        expect(shown).not.toContain(part);
      }
    }
    expect(redactor.apply(1234567)).toBe("[secret]");
    expect(redactor.apply(bytes)).toBe("[secret]");
  });

  it("goes into lists, objects, names and errors, which stay what they are", () => {
    const redactor = new Redactor();
    redactor.hide("hunter2");
    const circle: Record<string, unknown> = { hunter2: ["hunter2"], fine: 1 };
    circle["self"] = circle;
    const shown = redactor.apply(circle);
    expect(shown).toEqual({ "[secret]": ["[secret]"], fine: 1, self: shown });
    expect(circle["hunter2"]).toEqual(["hunter2"]);
    const cause = Object.freeze(new TypeError("no hunter2"));
    const error = new TreeError("TREE_BAD_VALUE", "hunter2!", {
      cause,
      details: { said: "hunter2" },
    });
    const same = redactor.apply(error);
    expect(same).toBe(error);
    expect(same.code).toBe("TREE_BAD_VALUE");
    for (const text of [same.message, same.stack, JSON.stringify(same.details)]) {
      expect(text).not.toContain("hunter2");
    }
    expect((same.cause as Error).name).toBe("TypeError");
    expect((same.cause as Error).message).toBe("no [secret]");
    expect((same.cause as Error).stack).not.toContain("hunter2");
  });

  it("leaves all as it is where nothing is to be hidden, and short words where they are", () => {
    const redactor = new Redactor();
    const said = { a: ["b"] };
    expect(redactor.apply(said)).toBe(said);
    redactor.hide(["a", "", true, null]);
    expect(redactor.apply("a b")).toBe("a b");
  });
});
