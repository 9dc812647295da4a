import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { findViolation, type RegisterOperation } from "../../src/testing/linearizability.ts";

/** What one client asks for. */
interface Asked {
  readonly type: "read" | "write" | "swap";
  /** How long before and after its instant it was called and answered. */
  readonly before: number;
  readonly after: number;
  readonly isAnswered: boolean;
  /** Of a swap: whether it names what is there. */
  readonly isRight: boolean;
}

const asked: fc.Arbitrary<Asked> = fc.record({
  type: fc.constantFrom("read", "write", "swap", "swap"),
  before: fc.nat(40),
  after: fc.nat(40),
  isAnswered: fc.constant(true),
  isRight: fc.boolean(),
});

const some = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: asked },
    { weight: 1, arbitrary: asked.map((one) => ({ ...one, isAnswered: false })) },
  ),
  { minLength: 1, maxLength: 200 },
);

describe("findViolation()", () => {
  test("accepts whatever a register gives, however its clients overlap", () => {
    fc.assert(fc.property(some, (script) => findViolation(run(script)) === undefined));
  });

  test("finds what every order of a few operations says", () => {
    const value = fc.constantFrom("a", "b", undefined);
    const operation: fc.Arbitrary<RegisterOperation> = fc
      .record({
        called: fc.nat(6),
        length: fc.nat(6),
        isAnswered: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
        type: fc.constantFrom("read", "write", "swap"),
        value,
        from: value,
        done: fc.boolean(),
      })
      .map(({ called, length, isAnswered, done, ...rest }) => ({
        ...rest,
        called,
        returned: isAnswered ? called + length : undefined,
        done: isAnswered ? done : undefined,
      }));
    let bad = 0;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 5 }), (history) => {
        const isGood = orders(history).some((order) => fits(order));
        if (!isGood) bad++;
        expect(findViolation(history) === undefined).toBe(isGood);
      }),
      { numRuns: 2_000 },
    );
    expect(bad).toBeGreaterThan(200);
  });

  test.each<[string, (history: RegisterOperation[]) => RegisterOperation[]]>([
    ["a value that nobody wrote", (history) => [...history, read("nobody's", 1e6)]],
    ["an acknowledged write that is gone", (history) => [...history, read(undefined, 1e6)]],
    [
      "a lost update: two swaps of the same value",
      (history) => [...history, swap("last", "x", 1e6), swap("last", "y", 1e6 + 10)],
    ],
    ["a stale read", (history) => [...history, swap("last", "x", 1e6), read("last", 1e6 + 10)]],
    [
      "a swap that was refused where it fitted",
      (history) => [...history, { ...swap("last", "x", 1e6), done: false }],
    ],
    [
      "a write that comes back",
      (history) => [...history, write("x", 1e6), read("x", 1e6 + 10), read("last", 1e6 + 20)],
    ],
  ])("finds %s", (_, spoil) => {
    fc.assert(
      fc.property(some, (script) => {
        const good = [
          ...run(script.map((one) => ({ ...one, isAnswered: true }))),
          write("last", 1e5),
        ];
        expect(findViolation(good)).toBeUndefined();
        expect(findViolation(spoil(good))).toBeDefined();
      }),
      { numRuns: 50 },
    );
  });

  test("is quick with 64 clients who contend for one register", () => {
    const script = Array.from({ length: 20_000 }, (_, i): Asked => ({
      type: i % 3 === 0 ? "read" : "swap",
      before: (i * 7) % 320,
      after: (i * 13) % 320,
      isAnswered: i % 500 !== 0,
      isRight: i % 4 === 0,
    }));
    expect(findViolation(run(script))).toBeUndefined();
  });
});

/** A register that does what it is asked for, one after the other, ten moments apart. */
function run(script: readonly Asked[]): RegisterOperation[] {
  let held: string | undefined;
  return script.map(({ type, before, after, isAnswered, isRight }, i): RegisterOperation => {
    const times = { called: i * 10 - before, returned: isAnswered ? i * 10 + after : undefined };
    if (type === "read") return { ...times, type, value: held };
    const value = `v${i}`;
    const from = isRight ? held : `not ${held}`;
    const done = type === "write" || isRight;
    if (done) held = value;
    if (type === "write") return { ...times, type, value };
    return { ...times, type, value, from, done: isAnswered ? done : undefined };
  });
}

function read(value: string | undefined, at: number): RegisterOperation {
  return { type: "read", value, called: at, returned: at + 1 };
}

function write(value: string, at: number): RegisterOperation {
  return { type: "write", value, called: at, returned: at + 1 };
}

function swap(from: string, value: string, at: number): RegisterOperation {
  return { type: "swap", from, value, called: at, returned: at + 1, done: true };
}

/** Every order of the operations, and of those without some that were never answered. */
function orders(rest: readonly RegisterOperation[]): RegisterOperation[][] {
  const all: RegisterOperation[][] = rest.every(({ returned }) => returned === undefined)
    ? [[]]
    : [];
  for (const [i, first] of rest.entries()) {
    const others = rest.toSpliced(i, 1);
    // What was answered before another was called comes first.
    if (others.some(({ returned = Infinity }) => returned < first.called)) continue;
    for (const order of orders(others)) all.push([first, ...order]);
  }
  return all;
}

function fits(order: readonly RegisterOperation[]): boolean {
  let held: string | undefined;
  for (const { type, value, from, done, returned } of order) {
    if (type === "read") {
      if (returned !== undefined && value !== held) return false;
    } else if (type === "write") {
      held = value;
    } else if (done === false) {
      if (from === held) return false;
    } else {
      if (from !== held) return false;
      held = value;
    }
  }
  return true;
}
