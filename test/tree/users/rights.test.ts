import { describe, expect, it } from "vitest";

import { PathPatterns } from "../../../src/wire/path-patterns.ts";
import { parsePath } from "../../../src/wire/path-text.ts";
import {
  lettersAt,
  type Right,
  type RoleRights,
  rolesAllow,
} from "../../../src/tree/users/rights.ts";

function role(rights: Record<string, string>): RoleRights {
  const patterns: RoleRights = new PathPatterns(".banyan");
  for (const [text, letters] of Object.entries(rights)) patterns.set(parsePath(text), letters);
  return patterns;
}

function may(
  rights: Record<string, string>,
  right: Right,
  path: string,
  present?: number,
): boolean {
  return rolesAllow([role(rights)], right, parsePath(path), present);
}

describe("rights", () => {
  it("give nothing where no pattern matches, but let pass", () => {
    const rights = { "a.b.c": "r" };
    expect(may(rights, "r", "a.b.c")).toBe(true);
    for (const path of [":", "a", "a.b", "a.b.c.d", "b"])
      expect(may(rights, "r", path)).toBe(false);
  });

  it("take x on each one above that is mentioned", () => {
    expect(may({ a: "r", "a.b": "r" }, "r", "a.b")).toBe(false);
    expect(may({ a: "x", "a.b": "r" }, "r", "a.b")).toBe(true);
    expect(may({ ":": "r", "a.b": "r" }, "r", "a.b")).toBe(false);
    expect(may({ "#": "rx", "a.b": "r" }, "r", "a.b.c")).toBe(false);
  });

  it("take n instead of x where something new is made", () => {
    const rights = { a: "n", "a.b": "c" };
    expect(may(rights, "c", "a.b", 1)).toBe(true);
    expect(may(rights, "c", "a.b", 2)).toBe(false);
    expect(may({ a: "x", "a.b": "c" }, "c", "a.b", 1)).toBe(false);
  });

  it("are those of the most specific pattern alone, from the left", () => {
    const rights = { "#": "rwx", "a.#": "rx", "a.+.c": "x", "a.b.#": "rwx", "a.b.c": "rx" };
    expect(may(rights, "w", "z.z")).toBe(true);
    expect(may(rights, "w", "a.x")).toBe(false);
    expect(may(rights, "r", "a.x.c")).toBe(false);
    expect(may(rights, "w", "a.b.x")).toBe(true);
    expect(may(rights, "w", "a.b.c")).toBe(false);
    // DistKV's own example: `b` is more specific than `#`, though the other pattern is longer.
    const odd = { "a.b.#.g": "w", "a.#.d.e.f.g": "r" };
    expect(may(odd, "w", "a.b.c.d.e.f.g")).toBe(true);
    expect(may(odd, "r", "a.b.c.d.e.f.g")).toBe(false);
  });

  it("never come from a wildcard for Banyan's own data, nor at all for users and roles", () => {
    expect(may({ "#": "rx" }, "r", ":.banyan.job.a")).toBe(false);
    expect(may({ "+.#": "rx" }, "r", ":.banyan.job.a")).toBe(false);
    expect(may({ ":.banyan.#": "rx" }, "r", ":.banyan.job.a")).toBe(true);
    for (const own of ["user", "role", "invite", "auth", "audit"]) {
      expect(may({ ":.banyan.#": "rx" }, "r", `:.banyan.${own}.a`)).toBe(false);
      expect(may({ [`:.banyan.${own}.a`]: "rx" }, "r", `:.banyan.${own}.a`)).toBe(false);
      expect(lettersAt([role({ ":.banyan.#": "rx" })], parsePath(`:.banyan.${own}`))).toBe("");
    }
  });

  it("come for secrets only from a pattern that spells that out", () => {
    for (const path of [":.banyan.secret", ":.banyan.secret.a", ":.banyan.secret.a.b"]) {
      for (const pattern of [":.banyan.#", ":.banyan.+", ":.banyan.+.a", "#"]) {
        expect(may({ [pattern]: "rx" }, "r", path)).toBe(false);
        expect(lettersAt([role({ [pattern]: "rx" })], parsePath(path))).toBe("");
      }
    }
    expect(may({ ":.banyan.secret.#": "r" }, "r", ":.banyan.secret.a")).toBe(true);
    expect(may({ ":.banyan.secret.#": "r" }, "w", ":.banyan.secret.a")).toBe(false);
    expect(may({ ":.banyan.secret.#": "r" }, "r", ":.banyan.user.a")).toBe(false);
  });

  it("add up over roles, each with a way of its own", () => {
    const roles = [role({ a: "r", "a.b": "w" }), role({ "a.b": "r" })];
    expect(rolesAllow(roles, "r", parsePath("a.b"))).toBe(true);
    // Only the first has it, and there the way is barred.
    expect(rolesAllow(roles, "w", parsePath("a.b"))).toBe(false);
    expect(lettersAt(roles, parsePath("a.b"))).toBe("rw");
  });
});
