import { describe, expect, it, vi } from "vitest";

import { AsyncQueue } from "../../src/base/queue.ts";
import { type Log, silentLog } from "../../src/base/log.ts";
import type { Cursor, EngineEvent, EngineWatch } from "../../src/engine/engine.ts";
import { Mirror, type MirrorBatch } from "../../src/tree/mirror.ts";
import { formatPath, parsePath } from "../../src/wire/path-text.ts";
import { encodeValue } from "../../src/wire/value.ts";

/** An engine's watch, played by the test: what is sent is the next batch. */
class PlayedWatch implements EngineWatch {
  cursor: Cursor = { store: "one", revision: 0 };
  readonly #queue = new AsyncQueue<readonly EngineEvent[]>({ limit: 100 });

  send(...events: EngineEvent[]): void {
    this.#queue.push(events);
  }

  fail(error: Error): void {
    this.#queue.fail(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly EngineEvent[]> {
    return this.#queue;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#queue.end();
  }
}

interface Fixture extends AsyncDisposable {
  readonly watch: PlayedWatch;
  readonly mirror: Mirror;
  readonly batches: MirrorBatch[];
  /** Resolves when what was sent so far has been applied. */
  fence(): Promise<void>;
}

/** A mirror of `a` that holds a=1 (revision 1) and a.b=2 (revision 2). */
async function open(log: Log = silentLog): Promise<Fixture> {
  const watch = new PlayedWatch();
  const onEnd = vi.fn<() => void>();
  watch.send(put("a", 1, 1));
  watch.send(put("a.b", 2, 2), ready(2));
  const mirror = await Mirror.open(watch, parsePath("a"), { log, onEnd });
  const batches: MirrorBatch[] = [];
  mirror.subscribe((batch) => batches.push(batch));
  let fences = 1_000;
  return {
    watch,
    mirror,
    batches,
    fence: async () => {
      watch.send(put("a.fence", 0, ++fences));
      await mirror.waitFor(fences);
      batches.pop();
    },
    [Symbol.asyncDispose]: async () => {
      await mirror.close();
      expect(onEnd).toHaveBeenCalledTimes(1);
    },
  };
}

function put(path: string, value: unknown, revision: number): EngineEvent {
  const entry = { path: parsePath(path), value: encodeValue(value), revision };
  return { type: "put", entry: { ...entry, author: "me", time: 0 } };
}

function gone(path: string, revision: number): EngineEvent {
  return { type: "delete", entry: { path: parsePath(path), revision, author: "me", time: 0 } };
}

function ready(revision: number): EngineEvent {
  return { type: "ready", revision };
}

function reset(cause: "history" | "overflow" | "store"): EngineEvent {
  return { type: "reset", cause };
}

function changesOf(batch: MirrorBatch | undefined): string[] | undefined {
  return batch?.changes.map((change) => {
    const after = change.type === "put" ? String(change.entry.value) : "gone";
    return `${formatPath(change.path)}: ${String(change.previous?.value)} -> ${after}`;
  });
}

describe("Mirror", () => {
  it("announces one batch of the engine as one, and shows all of it before", async () => {
    await using fixture = await open();
    const { mirror, watch, batches } = fixture;
    const seen: unknown[] = [];
    mirror.subscribe(() => seen.push(mirror.get("a.b")));
    watch.send(put("a", 3, 3), put("a.b", 4, 4), gone("a", 5));
    await mirror.waitFor(5);
    expect(batches.map(changesOf)).toEqual([["a: 1 -> 3", "a.b: 2 -> 4", "a: 3 -> gone"]]);
    expect(seen).toEqual([4]);
  });

  it("stays as it was during a reset, then changes in one step by the differences", async () => {
    await using fixture = await open();
    const { mirror, watch, batches, fence } = fixture;
    watch.send(put("a.gone", 3, 3), put("a.kept", 4, 4));
    await mirror.waitFor(4);
    batches.length = 0;
    const stale = heard(mirror);
    watch.send(reset("overflow"), put("a", 10, 10));
    await stale;
    expect([mirror.get("a"), mirror.size, mirror.stale]).toEqual([1, 4, true]);
    watch.send(put("a.b", 2, 2), put("a.kept", 4, 4));
    watch.send(put("a.new", 11, 11), ready(12));
    await mirror.waitFor(12);
    expect([mirror.stale, mirror.revision]).toEqual([false, 12]);
    expect(batches.map((batch) => [batch.stale, changesOf(batch)])).toEqual([
      [true, []],
      [false, ["a.gone: 3 -> gone", "a: 1 -> 10", "a.new: undefined -> 11"]],
    ]);
    await fence();
    expect([...mirror.entries()].map((entry) => formatPath(entry.path))).toEqual([
      "a", "a.b", "a.fence", "a.kept", "a.new",
    ]); // prettier-ignore
  });

  it("holds what changes while a listing is read", async () => {
    await using fixture = await open();
    const { mirror, watch } = fixture;
    watch.send(reset("history"), put("a", 1, 1), put("a.b", 2, 2));
    watch.send(put("a", 7, 7), gone("a.b", 8), ready(8));
    await mirror.waitFor(8);
    expect([...mirror.entries()].map((entry) => entry.value)).toEqual([7]);
  });

  it("takes every entry of another store for a new one, and fails who waits for the old", async () => {
    await using fixture = await open();
    const { mirror, watch, batches } = fixture;
    const waiting = mirror.waitFor(100);
    watch.cursor = { store: "two", revision: 0 };
    watch.send(reset("store"), put("a", "other", 1), ready(1));
    await expect(waiting).rejects.toMatchObject({ code: "TREE_OVERFLOW" });
    expect(batches.flatMap(changesOf)).toEqual(["a.b: 2 -> gone", "a: 1 -> other"]);
    expect(mirror.revision).toBe(1);
  });

  it("says when it is stale and when it is live again", async () => {
    await using fixture = await open();
    const { mirror, watch, batches, fence } = fixture;
    watch.send({ type: "stale" });
    await heard(mirror);
    expect(mirror.stale).toBe(true);
    watch.send(put("a", 5, 5), { type: "live" });
    await fence();
    expect(mirror.stale).toBe(false);
    expect(batches.map(({ stale, changes }) => [stale, changes.length])).toEqual([
      [true, 0],
      [false, 1],
    ]);
  });

  it("logs a listener that throws, at once or later, and tells the others", async () => {
    const error = vi.fn<Log["error"]>();
    await using fixture = await open({ ...silentLog, error });
    const [thrown, later] = [new Error("broken"), new Error("later")];
    fixture.mirror.subscribe(() => {
      throw thrown;
    });
    fixture.mirror.subscribe(async () => {
      throw later;
    });
    const others = heard(fixture.mirror);
    fixture.watch.send(put("a", 3, 3));
    await others;
    await vi.waitUntil(() => error.mock.calls.length === 2, { timeout: 30_000 });
    expect(error.mock.calls.map(([, fields]) => fields)).toEqual(
      [thrown, later].map((one) => ({ path: "a", error: one })),
    );
    expect(() => fixture.mirror.subscribe(5 as never)).toThrow(TypeError);
  });

  it("tells a listener that subscribes meanwhile of the next batch, and not one that left", async () => {
    await using fixture = await open();
    const { mirror, watch } = fixture;
    const calls: string[] = [];
    const first = mirror.subscribe(() => {
      calls.push("first");
      first[Symbol.dispose]();
      mirror.subscribe(() => calls.push("second"));
    });
    watch.send(put("a", 3, 3));
    watch.send(put("a", 4, 4));
    await mirror.waitFor(4);
    expect(calls).toEqual(["first", "second"]);
  });

  it("ends with the error that ended its watch, and logs it", async () => {
    const logged = vi.fn<Log["error"]>();
    await using fixture = await open({ ...silentLog, error: logged });
    const waiting = fixture.mirror.waitFor(100);
    const error = new Error("the disk is gone");
    fixture.watch.fail(error);
    await expect(waiting).rejects.toBe(error);
    expect(await fixture.mirror.closed).toBe(error);
    expect([fixture.mirror.stale, fixture.mirror.get("a")]).toEqual([true, 1]);
    expect(logged).toHaveBeenCalledWith(expect.any(String), { path: "a", error });
  });

  it("open() rejects and leaves nothing behind when the watch fails before it is ready", async () => {
    const watch = new PlayedWatch();
    const onEnd = vi.fn<() => void>();
    const error = new Error("the disk is gone");
    watch.send(put("a", 1, 1));
    watch.fail(error);
    await expect(Mirror.open(watch, parsePath("a"), { log: silentLog, onEnd })).rejects.toBe(error);
    expect(onEnd).toHaveBeenCalledTimes(1);
  });
});

/** Resolves with the next batch. */
function heard(mirror: Mirror): Promise<MirrorBatch> {
  return new Promise((resolve) => {
    const listener = mirror.subscribe((batch) => {
      listener[Symbol.dispose]();
      resolve(batch);
    });
  });
}
