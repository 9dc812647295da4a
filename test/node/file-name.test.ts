import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { elementOf, fileNames } from "../../src/node/file-name.ts";
import type { PathElement } from "../../src/wire/path.ts";
import { elements } from "../wire/arbitrary.ts";

describe("fileNames()", () => {
  it("gives names that stand for the element and nothing else, and that every file system takes", () => {
    fc.assert(
      fc.property(elements, (path) => {
        for (const element of path) {
          for (const name of fileNames(element)) {
            expect(elementOf(name)).toEqual(Object.is(element, -0) ? 0 : element);
            // oxlint-disable-next-line no-control-regex -- these are what it is about
            expect(name).not.toMatch(/^\.|[/\\:*?"<>|\u0000-\u001f\u007f]|[. ]$|^$/);
            expect(name.normalize("NFC")).toBe(name);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("keeps plain words, and names the rest so that one sees what it is", () => {
    const names: readonly (readonly [PathElement, string])[] = [
      ["kitchen", "kitchen"],
      ["a.b", "a.b"],
      ["größe", "größe"],
      [2, "=2"],
      [-1.5, "=-1.5"],
      [true, "=t"],
      [false, "=f"],
      [null, "=n"],
      ["", "=e"],
      [Uint8Array.of(0, 255), "=x00ff"],
      ["=2", "%3D2"],
      ["..", "%2E%2E"],
      ["a/b:c", "a%2Fb%3Ac"],
      ["100%", "100%25"],
      ["CON", "%43ON"],
      ["a.d", "a%2Ed"],
      ["node_modules", "%6Eode_modules"],
    ];
    for (const [element, name] of names) {
      expect(fileNames(element)[0]).toBe(name);
      expect(elementOf(name)).toEqual(element);
    }
  });

  it("gives names that differ in more than case to elements that do not", () => {
    expect(folded("Foo", 0)).toBe(folded("foo", 0));
    const second = ["Foo", "foo", "FOO", "fOo"].map((element) => folded(element, 2));
    expect(new Set(second).size).toBe(4);
  });

  it("refuses what is too long for a file", () => {
    expect(() => fileNames("x".repeat(300))).toThrow(/too long/);
  });
});

describe("elementOf()", () => {
  it("takes names that nobody would write for it as they are", () => {
    for (const name of ["100%", "%zz", "%ff", "=x0", "=1e", "=", "==", "a=2"]) {
      expect(elementOf(name)).toBe(name);
    }
  });
});

function folded(element: string, i: number): string {
  return (fileNames(element)[i] ?? "").toLowerCase();
}
