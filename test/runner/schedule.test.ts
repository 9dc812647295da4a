import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { inputKey } from "../../src/runner/input-key.ts";
import type { JobState } from "../../src/runner/job.ts";
import { parseJob } from "../../src/runner/parse-job.ts";
import { type Plan, planJob, retryAt, type ScheduleInput } from "../../src/runner/schedule.ts";

const NOW = 1_000_000;

function state(more: Partial<JobState> = {}): JobState {
  return {
    started: NOW - 100,
    stopped: NOW - 50,
    node: "n1",
    token: 7,
    run: "7",
    backoff: 0,
    result: null,
    code: "key",
    reason: "first",
    ...more,
  };
}

function plan(job: object, more: Partial<ScheduleInput> = {}): Plan {
  const entry = parseJob({ code: "a", jitter: 0, ...job });
  return planJob({
    entry,
    state: undefined,
    request: undefined,
    codeKey: "key",
    now: NOW,
    ...more,
  });
}

describe("planJob()", () => {
  it("starts what never ran at its target, and at once where that is past", () => {
    expect(plan({})).toMatchObject({ type: "start", at: 0, reason: "first" });
    expect(plan({ target: NOW + 5 })).toMatchObject({ at: NOW + 5, why: "waiting for its target" });
  });

  it("does not start what ran since its target, and repeats it only if told", () => {
    expect(plan({ target: NOW - 200 }, { state: state() })).toMatchObject({ type: "idle" });
    const repeating = plan({ repeat: 60 }, { state: state() });
    expect(repeating).toMatchObject({ at: NOW + 10, reason: "repeat" });
  });

  it("starts again what was asked for and interrupted, also without a target", () => {
    const asked = state({ reason: "manual", again: "lane" });
    expect(plan({ target: null }, { state: asked })).toMatchObject({ type: "start" });
    const due = state({ reason: "first", again: "lane" });
    expect(plan({ target: null }, { state: due })).toMatchObject({ type: "idle" });
  });

  it("starts what ran before a target that has come since", () => {
    expect(plan({ target: NOW - 1 }, { state: state() })).toMatchObject({ reason: "first" });
  });

  it.each([
    [{ enabled: false }, {}, "disabled"],
    [{ target: null }, {}, "no target"],
    [{}, { codeKey: undefined }, "its code is missing or broken"],
    [{}, { state: state({ stalls: 2 }) }, "its code blocked the thread 2 times"],
  ])("leaves %j with %j alone: %s", (job, more, why) => {
    expect(plan(job, more)).toEqual({ type: "idle", why });
  });

  it("settles first what its state says is running, whatever the entry is now", () => {
    const lost = { state: state({ stopped: null }) };
    expect(plan({ enabled: false }, lost).type).toBe("lost");
    expect(plan({}, { ...lost, codeKey: undefined }).type).toBe("lost");
  });

  it("tries other code at once, and the same after the wait", () => {
    const failed = state({ backoff: 1 });
    expect(plan({ delay: 60, backoff: 2 }, { state: failed })).toMatchObject({
      at: NOW - 50 + 120,
      reason: "retry",
    });
    expect(plan({ delay: 60 }, { state: failed, codeKey: "new" })).toMatchObject({
      at: NOW,
      reason: "code-change",
    });
  });

  it("tries other input at once, and the same after the wait", () => {
    const input = inputKey(parseJob({ code: "a", data: { n: 1 } }));
    const failed = { state: state({ backoff: 1, input }) };
    const same = { data: { n: 1 }, delay: 60, info: "edited", max_delay: 100 };
    expect(plan(same, failed)).toMatchObject({ reason: "retry" });
    expect(plan({ ...same, data: { n: 2 } }, failed)).toMatchObject({
      at: NOW,
      reason: "code-change",
    });
    expect(plan({ ...same, timeout: 5 }, failed)).toMatchObject({ at: NOW });
  });

  it("does as it was asked, unless that was seen to or is too old", () => {
    const request = { action: "run", revision: 9, time: NOW - 1 } as const;
    expect(plan({ target: null }, { request })).toMatchObject({ reason: "manual" });
    const seen = { request, state: state({ request: 9 }) };
    expect(plan({ target: null }, seen)).toMatchObject({ type: "idle" });
    const old = { request: { ...request, time: NOW - 601 } };
    expect(plan({ target: null }, old)).toMatchObject({ type: "idle" });
    const cancel = { request: { ...request, action: "cancel" as const } };
    expect(plan({}, { ...cancel, state: state({ backoff: 3 }) }).type).toBe("forget");
  });

  it("is always either idle or due at a finite moment", () => {
    const job = fc.record({
      target: fc.option(fc.double({ min: 0, max: 2 * NOW, noNaN: true })),
      repeat: fc.nat(1_000),
      delay: fc.nat(1_000),
      backoff: fc.double({ min: 1, max: 3, noNaN: true }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    const known = fc.record({
      started: fc.nat(2 * NOW),
      backoff: fc.nat(50),
      token: fc.nat(),
      stalls: fc.nat(3),
    });
    fc.assert(
      fc.property(job, fc.option(known, { nil: undefined }), (entry, more) => {
        const was = more === undefined ? undefined : state({ ...more, stopped: more.started + 1 });
        const decided = plan(entry, { state: was });
        const at = decided.type === "start" ? decided.at : 0;
        expect([decided.type === "start" || decided.type === "idle", Number.isFinite(at)]).toEqual([
          true,
          true,
        ]);
      }),
    );
  });
});

describe("retryAt()", () => {
  it("stays within the jitter and below the cap, and is the same on every node", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(), (backoff, token) => {
        const entry = parseJob({ code: "a", delay: 1, backoff: 2, max_delay: 500, jitter: 0.2 });
        const failed = state({ backoff, token });
        const wait = retryAt(entry, failed) - (failed.stopped ?? 0);
        const plain = 2 ** Math.min(backoff, 20);
        expect(wait).toBeGreaterThanOrEqual(Math.min(plain * 0.799, 500));
        expect(wait).toBeLessThanOrEqual(Math.min(plain * 1.201, 500.001));
        expect(retryAt(entry, { ...failed })).toBe(retryAt(entry, failed));
      }),
    );
  });
});
