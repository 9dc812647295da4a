import { expect, it } from "vitest";

import { Lifecycle } from "../../src/base/lifecycle.ts";

it("Lifecycle moves as its table says and throws at any other move", () => {
  const lifecycle = new Lifecycle<"open" | "closed">("open", { open: ["closed"], closed: [] });
  lifecycle.to("closed");
  expect(lifecycle.state).toBe("closed");
  expect(() => lifecycle.to("open")).toThrow("closed -> open");
});
