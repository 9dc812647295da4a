import { getEventListeners } from "node:events";

import { describe, expect, it, vi } from "vitest";

import { abortable, onAbort } from "../../src/base/abort.ts";
import { deferred } from "../../src/base/deferred.ts";

describe("onAbort()", () => {
  it("calls once at the abort, at once where that was before", () => {
    const controller = new AbortController();
    const listener = vi.fn<() => void>();
    onAbort(controller.signal, listener);
    expect(listener).not.toHaveBeenCalled();
    controller.abort();
    expect(listener).toHaveBeenCalledOnce();
    onAbort(controller.signal, listener);
    expect(listener).toHaveBeenCalledTimes(2);
  });

  it("leaves no listener when disposed of", () => {
    const controller = new AbortController();
    const listener = vi.fn<() => void>();
    onAbort(controller.signal, listener)[Symbol.dispose]();
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });
});

describe("abortable()", () => {
  it("gives what the promise gives, and takes its listener off", async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), signal)).toBe(1);
    const error = new Error("seeded");
    await expect(abortable(Promise.reject(error), signal)).rejects.toBe(error);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    expect(await abortable(Promise.resolve(2), undefined)).toBe(2);
  });

  it("throws the signal's own reason, and nobody minds the promise's later failure", async () => {
    const controller = new AbortController();
    const { promise, reject } = deferred<void>();
    const waiting = abortable(promise, controller.signal);
    const reason = { any: "value" };
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(abortable(promise, controller.signal)).rejects.toBe(reason);
    reject(new Error("late"));
  });
});
