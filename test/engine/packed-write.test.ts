import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";

import { BanyanError, EngineError } from "../../src/base/errors.ts";
import type { EngineEntry, WriteOptions } from "../../src/engine/engine.ts";
import { HubService } from "../../src/engine/hub-server.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import {
  type AskedWrite,
  packResult,
  packWrite,
  unpackResult,
  unpackWrite,
} from "../../src/engine/packed-write.ts";
import { bytes } from "../../src/testing/engine-suite-kit.ts";
import { Path } from "../../src/wire/path.ts";
import { TestHub } from "./hub-kit.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const path = Path.fromElements(["ä", 2.5, true, null, new Uint8Array([0, 255])]);
const other = Path.fromElements(["other"]);

function packed(asked: AskedWrite): Uint8Array {
  const found = packWrite(asked);
  if (found === undefined) throw new Error("not packed");
  return found;
}

const revision = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const options: fc.Arbitrary<WriteOptions> = fc.record({
  operation: fc.option(fc.string({ unit: "grapheme" }), { nil: undefined }),
  repeats: fc.constantFrom(undefined, false as const, 0, 2 ** 40 + 1),
  author: fc.option(fc.string(), { nil: undefined }),
  ifRevision: fc.option(revision, { nil: undefined }),
  condition: fc.option(fc.record({ path: fc.constant(other), revision }), { nil: undefined }),
  durability: fc.constantFrom(undefined, "commit" as const, "flushed" as const),
});

describe("packWrite", () => {
  it("gives bytes that unpackWrite() makes the same write of, whatever it asks for", () => {
    const value = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.constantFrom(path, other, Path.root),
        value,
        options,
        (place, given, asked) => {
          const write = { path: place, value: given, options: asked };
          expect(unpackWrite(packed(write))).toEqual(write);
        },
      ),
    );
  });

  it("leaves nothing of a write that it refuses to the next one", () => {
    const long = Path.fromElements(["x".repeat(2_000)]);
    const next = {
      path: Path.fromElements(["a", "b", "kitchen1"]),
      value: bytes("1"),
      options: {},
    };
    const refused: [Path, object, RegExp][] = [
      [long, {}, /1024/],
      [path, { operation: "o", condition: { path: long, revision: 1 } }, /1024/],
      [path, { author: 5 }, /must be text/],
      [path, { ifRevision: 5n }, /whole number/],
      [path, { ifRevision: null }, /whole number/],
      [path, { durability: "flush" }, /durability/],
    ];
    for (const [place, asked, says] of refused) {
      expect(() => packWrite({ ...next, path: place, options: asked })).toThrow(says);
      expect(unpackWrite(packed(next))).toMatchObject({ path: next.path, value: bytes("1") });
    }
  });

  it("leaves alone what is so large that it had better go beside a message", () => {
    const write = { path, value: new Uint8Array(16_384), options: {} };
    expect(unpackWrite(packed(write)).value).toEqual(write.value);
    expect(packWrite({ ...write, value: new Uint8Array(16_385) })).toBeUndefined();
  });
});

describe("unpackWrite", () => {
  it("refuses bytes that are cut off, changed or made up with an error, or makes another write of them", () => {
    const condition = { path: other, revision: 3 };
    const asked = { operation: "o", repeats: 4, author: "ann", ifRevision: 1, condition };
    const whole = packed({ path, value: bytes("x"), options: asked });
    const attempts = [...whole.keys()].flatMap((at) => {
      const changed = whole.slice();
      changed[at] = (whole[at] as number) ^ 0xff;
      return [whole.slice(0, at), changed];
    });
    for (const attempt of attempts) expect(strangeError(attempt)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (made) => strangeError(made) === undefined),
    );
    const deletion = packed({ path, value: undefined, options: {} });
    expect(() => unpackWrite(new Uint8Array([...deletion, 1]))).toThrow("longer than it says");
  });
});

/** What it fails with that is neither an error of ours nor of the kind that says what was wrong. */
function strangeError(given: Uint8Array): unknown {
  try {
    unpackWrite(given);
  } catch (error) {
    return BanyanError.is(error) || error instanceof TypeError ? undefined : error;
  }
  return undefined;
}

describe("packResult", () => {
  const previous: EngineEntry = { path, value: bytes("old"), revision: 7, author: "jörg", time: 9 };

  it("gives bytes that unpackResult() makes the same result of", () => {
    for (const result of [
      { revision: 2 ** 40 + 1, previous: undefined },
      { revision: 8, previous },
    ]) {
      const given = packResult(path, result);
      expect(given).toBeInstanceOf(Uint8Array);
      expect(unpackResult(path, given)).toEqual(result);
    }
  });

  it("gives the result itself where it is of another place, large, or of a value that can't be given", () => {
    const error = new EngineError("ENGINE_CORRUPT");
    const large = { ...previous, value: new Uint8Array(16_385) };
    for (const one of [{ ...previous, path: other }, large, { ...previous, error }]) {
      const result = { revision: 8, previous: one };
      expect(packResult(path, result)).toBe(result);
      expect(unpackResult(path, result)).toBe(result);
    }
  });

  it("is refused by who gets bytes that are none", () => {
    expect(() => unpackResult(path, new Uint8Array(3))).toThrow(BanyanError);
    expect(() => unpackResult(path, new Uint8Array(8).fill(0xff))).toThrow("a result that is none");
  });
});

describe("a hub", () => {
  it("takes small writes as bytes, and large ones and those of older clients as objects", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const write = vi.spyOn(HubService.prototype, "write");
    const put = vi.spyOn(HubService.prototype, "put");
    const client = await hub.client();
    const first = await client.put(path, bytes("1"), { author: "ann" });
    expect(first).toEqual({ revision: 1, previous: undefined });
    const second = await client.put(path, new Uint8Array(20_000), { ifRevision: 1 });
    expect(second.previous).toMatchObject({ path, revision: 1, author: "ann", value: bytes("1") });
    const third = await client.delete(path);
    expect(third.previous?.value).toEqual(new Uint8Array(20_000));
    expect([write.mock.calls.length, put.mock.calls.length]).toEqual([2, 1]);
  });

  it("that takes no bytes yet is sent objects", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const { hello } = HubService.prototype;
    vi.spyOn(HubService.prototype, "hello").mockImplementation(function (this: HubService, ask) {
      return { ...hello.call(this, ask), hasWrite: undefined };
    });
    const write = vi.spyOn(HubService.prototype, "write");
    const client = await hub.client();
    await client.put(path, bytes("1"));
    const { previous } = await client.delete(path, { ifRevision: 1 });
    expect(previous?.value).toEqual(bytes("1"));
    expect(write).not.toHaveBeenCalled();
  });
});
