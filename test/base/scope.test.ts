import { describe, expect, it, vi } from "vitest";

import { onAbort } from "../../src/base/abort.ts";
import { deferred } from "../../src/base/deferred.ts";
import { Scope } from "../../src/base/scope.ts";
import { hasSettled } from "../../src/testing/channel-pair.ts";

function open() {
  const onError = vi.fn<(error: unknown, task: string) => void>();
  return { scope: new Scope({ onError }), onError };
}

describe("Scope", () => {
  it("close() aborts its signal, disposes in reverse order, and waits for tasks", async () => {
    const { scope, onError } = open();
    const log: string[] = [];
    scope.defer(() => void log.push("first"));
    scope.use({ [Symbol.asyncDispose]: async () => void log.push("second") });
    scope.use({ [Symbol.dispose]: () => void log.push("third") });
    const last = deferred<void>();
    scope.spawn("task", async (signal) => {
      onAbort(signal, () => void log.push("aborted"));
      await last.promise;
      log.push("task");
    });
    const closing = scope.close();
    expect(scope.closed).toBe(true);
    expect(scope.close()).toBe(closing);
    expect(await hasSettled(closing)).toBe(false);
    last.resolve();
    await closing;
    expect(log).toEqual(["aborted", "third", "second", "first", "task"]);
    expect(onError).not.toHaveBeenCalled();
  });

  it("tells of tasks and disposals that fail, and goes on", async () => {
    const { scope, onError } = open();
    const [one, two] = [new Error("one"), new Error("two")];
    const disposed = vi.fn<() => void>();
    scope.defer(disposed);
    scope.defer(() => {
      throw two;
    });
    scope.spawn("job", () => Promise.reject(one));
    scope.spawn("sync", () => {
      throw one;
    });
    await scope.close();
    expect(onError.mock.calls).toEqual(
      expect.arrayContaining([
        [one, "job"],
        [one, "sync"],
        [two, "dispose"],
      ]),
    );
    expect(disposed).toHaveBeenCalledOnce();
  });

  it("takes the abort that it caused for no failure", async () => {
    const { scope, onError } = open();
    scope.spawn(
      "waits",
      (signal) => new Promise((_, reject) => onAbort(signal, () => reject(signal.reason as Error))),
    );
    await scope.close(new Error("over"));
    expect(onError).not.toHaveBeenCalled();
  });

  it("when closed disposes at once and starts nothing", async () => {
    const { scope } = open();
    await scope.close();
    const [dispose, task] = [vi.fn<() => void>(), vi.fn<() => Promise<void>>()];
    scope.defer(dispose);
    scope.spawn("late", task);
    expect(dispose).toHaveBeenCalledOnce();
    expect(task).not.toHaveBeenCalled();
  });

  it("close() waits for a disposal that was added while it closed", async () => {
    const { scope } = open();
    const last = deferred<void>();
    scope.defer(() => scope.defer(() => last.promise));
    const closing = scope.close();
    expect(await hasSettled(closing)).toBe(false);
    last.resolve();
    await closing;
  });
});
