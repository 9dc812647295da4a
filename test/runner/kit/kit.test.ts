import { describe, expect, it, vi } from "vitest";

import { BanyanError, RunnerError } from "../../../src/base/errors.ts";
import { ErrorRecorded, type RunnerMsg } from "../../../src/runner/kit/messages.ts";
import { parsePath } from "../../../src/wire/path-text.ts";
import { openKit, type Variables } from "./kit-run.ts";

/** The next `count` events, shortened. */
async function take(info: Variables["_info"], count: number): Promise<unknown[]> {
  const taken: unknown[] = [];
  while (taken.length < count) {
    const { value, done } = await info.next();
    if (done === true) break;
    taken.push(short(value));
  }
  return taken;
}

function short(message: RunnerMsg): unknown {
  const { type, path, value, count } = message as RunnerMsg & {
    path?: readonly unknown[];
    value?: unknown;
    count?: number;
  };
  if (type === "change") return [path?.join("."), value];
  return type === "ready" ? ["ready", count] : [type, value];
}

/** What `call` returns, or the code or name of what it throws. */
async function codeOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    return BanyanError.is(error) ? error.code : (error as Error).name;
  }
}

const CLASSES =
  "ActorState BrokenState ChangeMsg CompleteState DetachedState ErrorRecorded MessageMsg PartialState ReadyMsg RunnerMsg " +
  "SupersededMsg TimerMsg";

describe("what every run gets", () => {
  it("binds the entry's data and the names of DistKV as variables", async () => {
    await using kit = openKit();
    const { ended } = kit.run(
      ({ _cfg, _entry, _self, _cls, _P, _Path, room }) => {
        const classes = Object.keys(_cls as object)
          .sort()
          .join(" ");
        const p = (_P as (text: string) => unknown)("a:2");
        const q = (_Path as (...elements: unknown[]) => unknown)("a", 2);
        return [_cfg, _entry, room, classes, p, q, _self.job, _self.node, _self.token, _self.run];
      },
      { values: { data: { room: "hall" } } },
    );
    expect(await ended).toEqual([
      { name: "value" },
      { code: parsePath("my.code"), repeat: 0, path: parsePath("my.job") },
      "hall",
      CLASSES,
      parsePath("a:2"),
      parsePath("a:2"),
      parsePath("my.job"),
      "node1",
      7,
      "run1",
    ]);
  });

  it("refuses a result that can't be stored", async () => {
    await using kit = openKit();
    const { ended } = kit.run(() => ({ f: () => 1 }));
    await expect(ended).rejects.toMatchObject({ code: "RUNNER_BAD_RESULT" });
    const fine = kit.run(() => ({ a: [1n, new Uint8Array(2), null] }));
    expect(await fine.ended).toEqual({ a: [1n, new Uint8Array(2), null] });
    expect(await kit.run(() => undefined).ended).toBeUndefined();
  });

  it("hands log lines and prints over before the run has ended, in order", async () => {
    await using kit = openKit();
    const run = kit.run(({ _log }) => {
      _log.debug("a", { n: 1, f: () => 1 });
      run.print("warn", "b");
      _log.error(new RangeError("c"));
    });
    await run.ended;
    expect(run.seen.lines.map(({ level, text }) => [level, text.split("\n")[0]])).toEqual([
      ["debug", "a"],
      ["warn", "b"],
      ["error", "RangeError: c"],
    ]);
    expect(run.seen.lines[0]?.fields).toMatchObject({ n: 1 });
  });
});

describe("_client", () => {
  it("does what Tree does", async () => {
    await using kit = openKit();
    const { ended } = kit.run(async ({ _client }) => {
      await _client.set("a.b", 1);
      await _client.set("a.c", { x: [1] });
      const again = await _client.set("a.b", 2, {
        ifRevision: (await _client.entry("a.b"))!.revision,
      });
      const gone = await _client.get("a.d");
      const children = [];
      for await (const child of _client.list("a")) children.push(child.name);
      const entries = [];
      for await (const entry of _client.walk("a")) entries.push(entry.value);
      await _client.delete("a.b");
      return [
        again.previous?.value,
        gone === undefined,
        children,
        entries,
        (await _client.get("a.b")) === undefined,
      ];
    });
    expect(await ended).toEqual([1, true, ["b", "c"], [2, { x: [1] }], true]);
    expect((await kit.tree.entry("a.c"))?.author).toBe("node1 run run1");
  });

  it("refuses what can't be stored, bad paths and unknown options, and writes nothing", async () => {
    await using kit = openKit();
    const { ended } = kit.run(async ({ _client }) => {
      return [
        await codeOf(() => _client.set("a", () => 1)),
        await codeOf(() => _client.set("a", undefined)),
        await codeOf(() => _client.set("a..b", 1)),
        await codeOf(() => _client.set("a", 1, { onlyNw: true } as object)),
        await codeOf(() => _client.publish("a", () => 1)),
        await codeOf(() => _client.get("a")),
      ];
    });
    expect(await ended).toEqual(
      [
        "TREE_BAD_VALUE",
        "TREE_BAD_VALUE",
        "WIRE_BAD_PATH",
        "TypeError",
        "TREE_BAD_VALUE",
        null,
      ].map((code) => code ?? undefined),
    );
  });

  it("asks whoever responds, answers itself, and throws what a responder threw", async () => {
    await using kit = openKit();
    await using far = kit.tree.peers.respond("far", ([a, b]: [number, bigint]) => {
      if (b === 0n) throw new RangeError("not by 0");
      return { a, b, at: parsePath("a:2") };
    });
    await far.ready;
    const run = kit.run(async ({ _client }) => {
      const own = await _client.respond("own.+", (value: unknown, { topic }) => [
        value,
        topic.name,
      ]);
      const answers = [
        await _client.request("far", [1, 2n]),
        await codeOf(() => _client.request("far", [1, 0n])),
        await codeOf(() => _client.request("nobody", 1)),
        await codeOf(() => _client.request("far", () => 1)),
        await codeOf(() => _client.request("far", 1, { timeout: 1 } as object)),
        await codeOf(() => _client.respond("own", 5 as never)),
        await kit.tree.peers.request("own.b"),
      ];
      await own.close();
      return [...answers, await codeOf(() => _client.request("own.b")), run.host.open];
    });
    expect(await run.ended).toEqual([
      { a: 1, b: 2n, at: parsePath("a:2") },
      "RangeError",
      "ENGINE_NO_RESPONDER",
      "TREE_BAD_VALUE",
      "TypeError",
      "TypeError",
      [undefined, "b"],
      "ENGINE_NO_RESPONDER",
      0,
    ]);
  });

  it("gives a request up with its signal and with the run, and the responder is told", async () => {
    await using kit = openKit();
    const asked: AbortSignal[] = [];
    await using never = kit.tree.peers.respond("never", (_value, { signal }) => {
      asked.push(signal);
      return new Promise(() => {});
    });
    await never.ready;
    const reason = new Error("enough");
    const { ended } = kit.run(async ({ _client }) => {
      const controller = new AbortController();
      const answer = _client.request("never", 1, { signal: controller.signal });
      await vi.waitUntil(() => asked.length === 1, { timeout: 30_000 });
      controller.abort(reason);
      const failure = await answer.catch((error: unknown) => error);
      void _client.request("never", 2).catch(() => {});
      await vi.waitUntil(() => asked.length === 2, { timeout: 30_000 });
      return failure === reason;
    });
    expect(await ended).toBe(true);
    await vi.waitUntil(() => asked.every((signal) => signal.aborted), { timeout: 30_000 });
  });

  it("breaks out of a long listing and a watch and leaves nothing open", async () => {
    await using kit = openKit();
    for (let i = 0; i < 600; i++) await kit.tree.set(["n", i], i);
    const run = kit.run(async ({ _client }) => {
      let sum = 0;
      for await (const { value } of _client.walk("n")) {
        sum += value as number;
        if (value === 300) break;
      }
      let events = 0;
      for await (const event of await _client.watch("n")) {
        events++;
        if (event.type === "ready") break;
      }
      return [sum, events, run.host.open];
    });
    expect(await run.ended).toEqual([(300 * 301) / 2, 601, 0]);
  });
});

describe("_self.watch", () => {
  it("tells current values, one ready for both watches, then changes", async () => {
    await using kit = openKit();
    await kit.tree.set("a", 1);
    await kit.tree.set("b", 2);
    const { ended } = kit.run(async ({ _self, _info }) => {
      await _self.watch("a");
      await _self.watch("b");
      await _self.set("a", 3);
      const events = await take(_info, 4);
      await kit.tree.delete("b");
      return [...events, ...(await take(_info, 1))];
    });
    expect(await ended).toEqual([
      ["a", 1],
      ["b", 2],
      ["ready", 2],
      ["a", 3],
      ["b", undefined],
    ]);
  });

  it("tells the entry alone unless maxDepth says more, and nothing current with fetch: false", async () => {
    await using kit = openKit();
    await kit.tree.set("a", 1);
    await kit.tree.set("a.b", 2);
    const { ended } = kit.run(async ({ _self, _info }) => {
      await _self.watch("a");
      const alone = await take(_info, 2);
      await _self.watch("a", { maxDepth: 1, minDepth: 1 });
      const below = await take(_info, 2);
      await _self.watch("a", { fetch: false });
      await _self.set("a", 5);
      return [alone, below, await take(_info, 2)];
    });
    expect(await ended).toEqual([
      [
        ["a", 1],
        ["ready", 1],
      ],
      [
        ["a.b", 2],
        ["ready", 2],
      ],
      [
        ["a", 5],
        ["a", 5],
      ],
    ]);
  });

  it("tells what the value was before", async () => {
    await using kit = openKit();
    await kit.tree.set("a", 1);
    const { ended } = kit.run(async ({ _self, _info }) => {
      await _self.watch("a");
      await take(_info, 2);
      await _self.set("a", 2);
      const { value } = await _info.next();
      return (value as { previous?: unknown }).previous;
    });
    expect(await ended).toBe(1);
  });

  it("lists more than the backlog, and overflows with an error when changes are left unread", async () => {
    await using kit = openKit();
    for (let i = 0; i < 50; i++) await kit.tree.set(["n", i], i);
    const { ended } = kit.run(
      async ({ _self, _info }) => {
        await _self.watch("n", { maxDepth: 1 });
        const listed = await take(_info, 51);
        await _self.monitor("done");
        for (let i = 0; i < 11; i++) await _self.set(["n", 0], -i - 1);
        await _self.send("done", 1);
        const seen = [];
        for await (const message of _info) seen.push(short(message));
        return [listed.length, seen];
      },
      { values: { backlog: 10 } },
    );
    await expect(ended).rejects.toMatchObject({ code: "RUNNER_OVERFLOW" });
  });

  it("can be closed", async () => {
    await using kit = openKit();
    await kit.tree.set("a", 1);
    const run = kit.run(async ({ _self, _info }) => {
      const watch = await _self.watch("a");
      await take(_info, 2);
      await watch.close();
      await watch.close();
      await _self.set("a", 2);
      return [run.host.open, _info.length];
    });
    expect(await run.ended).toEqual([0, 0]);
  });
});

describe("_self.timer", () => {
  it("runs out when it should and not before, restarts, and is cancelled once", async () => {
    await using kit = openKit();
    const events: string[] = [];
    const run = kit.run(async ({ _self, _info }) => {
      const timer = _self.timer(10);
      const first = await _info.next();
      events.push((first.value as RunnerMsg).type);
      timer.run(5);
      timer.run(20);
      const cancelled = [timer.cancel(), timer.cancel()];
      timer.run(3);
      const ranOut = await timer;
      return [cancelled, ranOut, timer.active];
    });
    await kit.clock.advanceAsync(9_999);
    expect(events).toEqual([]);
    await kit.clock.advanceAsync(1);
    expect(events).toEqual(["timer"]);
    await kit.clock.advanceAsync(3_000);
    expect(await run.ended).toEqual([[true, false], true, false]);
  });

  it("refuses what is no number of seconds", async () => {
    await using kit = openKit();
    const { ended } = kit.run(({ _self }) => void _self.timer("1" as unknown as number));
    await expect(ended).rejects.toThrow("a timer takes a number of seconds");
  });

  it("rejects whoever awaits it when the run is cancelled, and starts no more", async () => {
    await using kit = openKit();
    const reason = new RunnerError("RUNNER_CANCELLED");
    const seen: unknown[] = [];
    const run = kit.run(async ({ _self }) => {
      try {
        await _self.timer(100);
      } catch (error) {
        seen.push(error, _self.cancelled);
      }
      _self.timer(1);
    });
    await kit.clock.advanceAsync(1_000);
    run.cancel(reason);
    await expect(run.ended).rejects.toBe(reason);
    expect(seen).toEqual([reason, true]);
  });
});

describe("_self.monitor and _self.send", () => {
  it("deliver values and raw bytes below the topic", async () => {
    await using kit = openKit();
    const { ended } = kit.run(async ({ _self, _info }) => {
      const monitor = await _self.monitor("test");
      await _self.send("test.abcd", { v: 41 });
      await _self.send("test.raw", { raw: new Uint8Array([0xff, 0xff]) });
      await _self.send("test.raw", undefined, { raw: new Uint8Array([0xff, 0xff]) });
      const events = await take(_info, 3);
      await monitor.close();
      const raw = await _self.monitor("test", { raw: true });
      await _self.send("test", 1);
      const { value } = await _info.next();
      await raw.close();
      return [events, (value as { value?: unknown } | undefined)?.value === undefined];
    });
    expect(await ended).toEqual([
      [
        ["message", { v: 41 }],
        ["message", undefined],
        ["message", undefined],
      ],
      true,
    ]);
  });

  it("refuse both a value and raw bytes, and neither", async () => {
    await using kit = openKit();
    const both = kit.run(({ _self }) => _self.send("a", 1, { raw: new Uint8Array() }));
    await expect(both.ended).rejects.toThrow(TypeError);
    const none = kit.run(({ _self }) => _self.send("a", undefined));
    await expect(none.ended).rejects.toThrow(TypeError);
  });
});

describe("_self.spawn", () => {
  it("runs another stored procedure as part of the run", async () => {
    await using kit = openKit();
    const { ended } = kit.run(
      async ({ _self }) => {
        const one = await _self.spawn("my.other", { x: 20 });
        const two = await _self.spawn("my.other", { x: 21 });
        return [await one.result, await two.result, one.done];
      },
      { procedures: { "my.other": async ({ _self, x }) => [_self.token, (x as number) * 2] } },
    );
    expect(await ended).toEqual([[7, 40], [7, 42], true]);
  });

  it("ends functions and procedures with the run, and one by itself", async () => {
    await using kit = openKit();
    const ends: string[] = [];
    const { ended } = kit.run(
      async ({ _self }) => {
        await _self.spawn("my.other");
        const task = await _self.spawn((signal) => wait(signal, "function"));
        return [task.cancel("why"), task.cancel("why")];
      },
      { procedures: { "my.other": ({ _self }) => wait(_self.signal, "procedure") } },
    );
    expect(await ended).toEqual([true, false]);
    expect(ends.sort()).toEqual(["function", "procedure"]);

    function wait(signal: AbortSignal, name: string): Promise<void> {
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          ends.push(name);
          resolve();
        });
      });
    }
  });

  it("fails the run if a task fails whose result nobody asked for", async () => {
    await using kit = openKit();
    const run = kit.run(async ({ _self, _info }) => {
      await _self.spawn(() => Promise.reject(new RangeError("in the task")));
      await _info.next();
    });
    await expect(run.ended).rejects.toThrow("in the task");
    const handled = kit.run(async ({ _self }) => {
      const task = await _self.spawn(() => Promise.reject(new RangeError("in the task")));
      return (await Promise.allSettled([task.result]))[0]?.status;
    });
    expect(await handled.ended).toBe("rejected");
  });
});

describe("_self", () => {
  it("tells the runner what it is told", async () => {
    await using kit = openKit();
    const run = kit.run(async ({ _self }) => {
      await _self.setupDone();
      await _self.progress(0.5);
      await _self.progress("half");
      return (await _self.get("missing")) === undefined;
    });
    expect(await run.ended).toBe(true);
    expect(run.seen).toMatchObject({ setupDone: 1, progress: [0.5, "half"] });
  });

  it("puts a failure on record and ends the run", async () => {
    await using kit = openKit();
    const run = kit.run(({ _self }) => _self.error("no sensor", { pin: 4 }));
    await expect(run.ended).rejects.toBeInstanceOf(ErrorRecorded);
    expect(run.host.errorRecorded).toBe(true);
    const record = await kit.tree.errors.get({ subsystem: "run", path: "my.job" });
    expect(record).toMatchObject({ message: "no sensor", count: 1 });
  });
});

describe("_info", () => {
  it("goes on after a loop that was left", async () => {
    await using kit = openKit();
    const { ended } = kit.run(async ({ _self, _info }) => {
      await _self.watch("a");
      for await (const { type } of _info) if (type === "ready") break;
      await _self.set("a", 1);
      for await (const message of _info) return short(message);
      return undefined;
    });
    expect(await ended).toEqual(["a", 1]);
  });

  it("throws the reason when the run is cancelled", async () => {
    await using kit = openKit();
    const run = kit.run(async ({ _info }) => {
      for await (const _ of _info);
    });
    run.cancel(new RunnerError("RUNNER_CANCELLED"));
    await expect(run.ended).rejects.toMatchObject({ code: "RUNNER_CANCELLED" });
  });
});
