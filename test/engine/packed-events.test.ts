import { describe, expect, it } from "vitest";

import { BanyanError, EngineError } from "../../src/base/errors.ts";
import type { EngineEvent } from "../../src/engine/engine.ts";
import { canPack, packEvents, unpackEvents } from "../../src/engine/packed-events.ts";
import { Path } from "../../src/wire/path.ts";

const path = Path.fromElements(["ä", 2.5, true, null, new Uint8Array([0, 255])]);
const written = { path, revision: 2 ** 52, author: "jörg \ud83d\ude00", time: 1_700_000_000_123 };

const EVENTS: readonly EngineEvent[] = [
  { type: "reset", cause: "history" },
  { type: "reset", cause: "rights" },
  { type: "put", entry: { ...written, value: new Uint8Array([1, 2, 3]) } },
  { type: "put", entry: { ...written, path: Path.root, value: new Uint8Array(), author: "" } },
  { type: "put", entry: { ...written, value: new Uint8Array(20_000).fill(7) } },
  { type: "delete", entry: written },
  { type: "ready", revision: 0 },
  { type: "stale" },
  { type: "live" },
];

const cursor = { store: "a store", revision: 2 ** 40 + 1 };

function packed(events: readonly EngineEvent[]): Uint8Array {
  return packEvents({ events, cursor });
}

/** What it fails with that is no error of ours. */
function strangeError(bytes: Uint8Array): unknown {
  try {
    unpackEvents(bytes);
  } catch (error) {
    return BanyanError.is(error) ? undefined : error;
  }
  return undefined;
}

describe("packEvents", () => {
  it("gives bytes that unpackEvents() makes the same events of, whichever they are", () => {
    expect(unpackEvents(packed(EVENTS))).toEqual({ events: EVENTS, cursor });
    expect(unpackEvents(packed([]))).toEqual({ events: [], cursor });
  });

  it("leaves alone what bytes have no place for", () => {
    const error = new EngineError("ENGINE_CORRUPT");
    const entry = { ...written, value: new Uint8Array(), error };
    expect(canPack([...EVENTS, { type: "put", entry }])).toBe(false);
    expect(canPack(EVENTS)).toBe(true);
  });
});

describe("unpackEvents", () => {
  it("refuses bytes that are cut off or changed with an error of ours, or makes other events of them", () => {
    const bytes = packed(EVENTS.filter((_, i) => i !== 4));
    const attempts = [...bytes.keys()].flatMap((at) => {
      const changed = bytes.slice();
      changed[at] = (bytes[at] as number) ^ 0xff;
      return [bytes.slice(0, at), changed];
    });
    expect(attempts.map(strangeError).filter((error) => error !== undefined)).toEqual([]);
    expect(() => unpackEvents(bytes.slice(0, -4))).toThrow("the bytes are no");
    const kind = packed([{ type: "live" }]);
    kind[kind.length - 1] = 99;
    expect(() => unpackEvents(kind)).toThrow("events that are none");
  });
});
