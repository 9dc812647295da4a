import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { comparePaths } from "../../src/wire/path-key.ts";
import { Path, type PathElement } from "../../src/wire/path.ts";
import { PathPatterns } from "../../src/wire/path-patterns.ts";
import { formatPath, parsePath } from "../../src/wire/path-text.ts";

function patternsOf(...texts: string[]): PathPatterns<string> {
  const patterns = new PathPatterns<string>(".banyan");
  for (const text of texts) patterns.set(parsePath(text), text);
  return patterns;
}

function found(patterns: PathPatterns<string>, path: string): string | undefined {
  return patterns.find(parsePath(path))?.value;
}

describe("PathPatterns", () => {
  it("find() takes + for one element and # for one or more", () => {
    const patterns = patternsOf("one.+.two", "inty.#", "a.#.z");
    expect(found(patterns, "one.x.two")).toBe("one.+.two");
    for (const path of ["one.two", "one.x.y.two", "one.x.two.z", "one.x", "inty", "a.z", ":"]) {
      expect([path, found(patterns, path)]).toEqual([path, undefined]);
    }
    expect(found(patterns, "inty.a")).toBe("inty.#");
    expect(found(patterns, "inty.a.b.c")).toBe("inty.#");
    expect(found(patterns, "a.z.z.z")).toBe("a.#.z");
  });

  it("find() gives what is spelt out before +, and + before #, from the left", () => {
    const patterns = patternsOf("#", "+.b", "a.#", "a.+", "a.b", "a.#.c", "a.+.c", ":");
    expect(found(patterns, "a.b")).toBe("a.b");
    expect(found(patterns, "a.x")).toBe("a.+");
    expect(found(patterns, "x.b")).toBe("+.b");
    expect(found(patterns, "x.y")).toBe("#");
    expect(found(patterns, "a.x.c")).toBe("a.+.c");
    expect(found(patterns, "a.x.y.c")).toBe("a.#.c");
    expect(found(patterns, "a.x.y.d")).toBe("a.#");
    expect(found(patterns, ":")).toBe(":");
  });

  it("find() gives the first by path of patterns that are alike, whichever was set first", () => {
    for (const texts of [
      ["#.a.#", "#.b.#"],
      ["#.b.#", "#.a.#"],
    ]) {
      const patterns = patternsOf(...texts);
      expect(found(patterns, "a.a.b.a")).toBe("#.a.#");
      expect(found(patterns, "b.b.a.b")).toBe("#.a.#");
      expect(found(patterns, "a.b.c")).toBe("#.b.#");
    }
  });

  it('find() tells 1, "1" and true apart, and keeps wildcards off the system\'s data', () => {
    const patterns = patternsOf("a:1", "a:t", "+.x", "#");
    expect(found(patterns, "a:1")).toBe("a:1");
    expect(found(patterns, "a:t")).toBe("a:t");
    expect(found(patterns, "a.1")).toBe("#");
    expect(found(patterns, ":.banyan.x")).toBeUndefined();
    expect(found(patterns, "x:.banyan")).toBe("#");
  });

  it("find() is quick where many # can be laid out in many ways", () => {
    const patterns = patternsOf([...Array(15).fill("#"), "z"].join("."));
    expect(patterns.find(Path.fromElements(Array<string>(32).fill("a")))).toBeUndefined();
  });

  it("find() agrees with trying every pattern", () => {
    const element = fc.constantFrom<PathElement>("a", "b", "+", "#");
    const pattern = fc.array(element, { maxLength: 5 });
    const path = fc.array(fc.constantFrom<PathElement>("a", "b"), { maxLength: 6 });
    const property = fc.property(fc.array(pattern, { maxLength: 8 }), path, (all, of) => {
      const patterns = new PathPatterns<string>();
      for (const one of all) patterns.set(Path.fromElements(one), formatPath(one));
      const matching = all.filter((one) => matches(one, of)).sort(bySpecificity);
      expect(patterns.find(Path.fromElements(of))?.value).toBe(
        matching[0] && formatPath(matching[0]),
      );
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});

function matches(pattern: readonly PathElement[], path: readonly PathElement[]): boolean {
  const [first, ...rest] = pattern;
  if (pattern.length === 0) return path.length === 0;
  if (path.length === 0) return false;
  if (first === "#") return path.some((_, i) => matches(rest, path.slice(i + 1)));
  return (first === "+" || first === path[0]) && matches(rest, path.slice(1));
}

function bySpecificity(a: readonly PathElement[], b: readonly PathElement[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = rank(a[i]) - rank(b[i]);
    if (difference !== 0) return difference;
  }
  return comparePaths(a, b);
}

function rank(element: PathElement | undefined): number {
  return element === undefined ? 3 : element === "#" ? 2 : element === "+" ? 1 : 0;
}
