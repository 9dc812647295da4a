import { describe, expect, it } from "vitest";

import { openCode } from "./code-kit.ts";

describe("CodeRoot", () => {
  it("calls a procedure by its text or its elements (DistKV CO1)", async () => {
    await using kit = await openCode();
    await kit.code.add("forty.two", { code: "return 42" });
    expect(kit.code("forty.two")).toBe(42);
    expect(kit.code(["forty", "two"])).toBe(42);
  });

  it("calls a procedure that imports a stored module (DistKV MO1)", async () => {
    await using kit = await openCode();
    await kit.modules.add("bar.baz", { code: "export function quux() { return 42 }" });
    await kit.code.add("forty.two", {
      code: 'import { quux } from "tree:bar.baz";\nreturn quux()',
    });
    expect(kit.code("forty.two")).toBe(42);
  });
});
