import { expect, test, vi } from "vitest";

import { EngineError, WireError } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import { NOT_NOW } from "../../src/engine/engine.ts";
import { HubDirect, type StoreReader } from "../../src/engine/hub-direct.ts";
import type { HubSession } from "../../src/engine/hub-link.ts";
import { Path } from "../../src/wire/path.ts";

/** Direct reads that are possible, of a store whose pages are read by `page`. */
async function opened(page: () => never, more: object = {}): Promise<HubDirect> {
  const common = { store: "s", revision: 1, told: 0, page, close: () => Promise.resolve() };
  const reader = Object.assign(more, { ...common, ...more });
  const direct = new HubDirect({
    log: silentLog,
    open: () => Promise.resolve(reader as unknown as StoreReader),
  });
  const offer = { directory: "/", device: 1, inode: 1, processes: "p" };
  const hub = { reading: () => Promise.resolve() };
  const session = { gone: false, hello: { pid: 1, store: "s", inPlace: offer }, hub };
  direct.up(session as unknown as HubSession);
  for (let i = 0; i < 32; i++) direct.count();
  await vi.waitFor(() => expect(direct.now).toBeDefined());
  return direct;
}

test("HubDirect.page() that was frozen is thrown away, whatever the pages looked like by then", async () => {
  const now = vi.spyOn(performance, "now");
  let frozenMs = 0;
  now.mockImplementation(() => frozenMs);
  try {
    const direct = await opened(() => {
      frozenMs += 5_000;
      throw new EngineError("ENGINE_CORRUPT", "a key of the store is no path");
    });
    expect(direct.page(Path.root, {}, () => 0)).toBe(NOT_NOW);
    expect(direct.now).toBe(direct);
    await direct.close();
  } finally {
    now.mockRestore();
  }
});

test("HubDirect.page() of a store that can't be read leaves it to the hub from then on", async () => {
  const direct = await opened(() => {
    throw new EngineError("ENGINE_CORRUPT", "a key of the store is no path");
  });
  expect(direct.page(Path.root, {}, () => 0)).toBe(NOT_NOW);
  expect(direct.now).toBeUndefined();
});

test("HubDirect.page() throws what is the caller's fault", async () => {
  const direct = await opened(() => {
    throw new WireError("WIRE_BAD_PATH", "too long");
  });
  expect(() => direct.page(Path.root, {}, () => 0)).toThrow("too long");
  expect(direct.now).toBe(direct);
  await direct.close();
});

test("HubDirect.get() leaves it to the hub until the store has what was told of", async () => {
  const store = { revision: 1, told: 0, get: (): undefined => undefined };
  const direct = await opened(() => {
    throw new Error("not asked for");
  }, store);
  await vi.waitFor(() => expect(direct.get(Path.root, () => 0)).toBe(undefined));
  store.told = 2;
  expect(direct.get(Path.root, () => 0)).toBe(NOT_NOW);
  store.revision = 2;
  expect(direct.get(Path.root, () => 0)).toBe(undefined);
  await direct.close();
});
