/** Stored procedures with `is_async: false`, called from a program. */
import { CodeRoot, ModuleRoot, open, type Tree } from "banyan";
import { sessionPair } from "banyan/testing";
import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";

interface Kit extends AsyncDisposable {
  readonly tree: Tree;
  readonly code: CodeRoot;
  /** Stores a procedure that may block. */
  add(name: string, code: string, ...vars: string[]): Promise<void>;
}

async function openKit(options: Parameters<typeof CodeRoot.open>[1] = {}): Promise<Kit> {
  const tree = await open("memory:");
  const code = await CodeRoot.open(tree, options);
  return {
    tree,
    code,
    add: async (name, text, ...vars) => {
      const { revision } = await code.add(name, { code: text, vars, is_async: false });
      await code.settled(revision);
    },
    [Symbol.asyncDispose]: async () => {
      await code.close();
      await tree.close();
    },
  };
}

const twice = async (n: number): Promise<number> => n * 2;

const counter = (by: number): { code: string } => ({
  code: `let n = 0; export const next = () => (n += ${by})`,
});

const failure = async (promise: unknown): Promise<Error & { code: string }> =>
  (promise as Promise<never>).then(
    () => {
      throw new Error("it did not fail");
    },
    (error: Error & { code: string }) => error,
  );

describe("a call in a worker", () => {
  it("gives what the code returns, by position and by name, with surplus values and defaults", async () => {
    await using kit = await openKit();
    const entry = { code: "return [a, b, typeof extra, _args]", vars: ["a", "b"] };
    await kit.code.add("p", { ...entry, default: { b: 2 }, is_async: false });
    expect(await kit.code("p", 1)).toEqual([1, 2, "undefined", []]);
    expect(await kit.code("p", 1, [3], 4)).toEqual([1, [3], "undefined", [4]]);
    expect(await kit.code.run("p", { a: 1, extra: 5 })).toEqual([1, 2, "number", []]);
    expect(await failure(kit.code("p"))).toMatchObject({ code: "CODE_ARGUMENTS" });
  });

  it("CO6: may block while the caller goes on, and asks the caller's objects meanwhile", async () => {
    await using kit = await openKit();
    // It never yields, and ends only because the caller's event loop turns meanwhile.
    await kit.add("spins", "begun(); while (loop.turns < 3); return loop.turns", "loop", "begun");
    const loop = new (class {
      turns = 0;
    })();
    const turn = (): void => {
      if (++loop.turns < 3) setImmediate(turn);
    };
    expect(await kit.code("spins", loop, () => void setImmediate(turn))).toBe(3);
  });

  it("has the caller's objects as if they were local: identity, fields, iteration, promises settled", async () => {
    await using kit = await openKit();
    class Account {
      balance = 10;
      async pay(amount: number): Promise<number> {
        await Promise.resolve();
        this.balance -= amount;
        return this.balance;
      }
    }
    const account = new Account();
    const map = new Map([["a", 1]]);
    await kit.add(
      "pays",
      `const left = account.pay(3) + 0
       account.balance += 100
       return { left, same: account === again, first: [...map][0], doubled: twice(4), account, list }`,
      ..."account again map twice list".split(" "),
    );
    const list = [{ n: 1 }];
    const result = (await kit.code("pays", account, account, map, twice, list)) as object;
    expect(result).toEqual({
      left: 7,
      same: true,
      first: ["a", 1],
      doubled: 8,
      account,
      list: [{ n: 1 }],
    });
    expect((result as { account: unknown }).account).toBe(account);
    expect(account.balance).toBe(107);
  });

  it("has its own functions called back while it waits, also late", async () => {
    await using kit = await openKit();
    await kit.add("sums", "let sum = 0; each((n) => { sum += n; return sum }); return sum", "each");
    const seen: unknown[] = [];
    const each = async (f: (n: number) => unknown): Promise<void> => {
      for (const n of [1, 2, 3]) {
        await new Promise((resolve) => void setImmediate(resolve));
        seen.push(await f(n));
      }
    };
    expect(await kit.code("sums", each)).toBe(6);
    expect(seen).toEqual([1, 3, 6]);
  });

  it("throws what the code threw, with class and stored place, and what the caller's object threw", async () => {
    await using kit = await openKit();
    await kit.add("throws", '\n  throw Object.assign(new RangeError("far"), { by: 5 })');
    const thrown = await failure(kit.code("throws"));
    expect(thrown).toBeInstanceOf(RangeError);
    expect(thrown).toMatchObject({ message: "far", by: 5 });
    expect(thrown.stack).toContain("tree:throws:2:");
    expect(thrown.stack).not.toContain("piscina");

    await kit.add("odd", "throw { toString() { throw 1 }, f: () => 1 }");
    expect(await failure(kit.code("odd"))).toBeInstanceOf(Error);

    await kit.add("asks", "try { f() } catch (error) { return [error.message, error.code] }", "f");
    const asked = await kit.code("asks", () => {
      throw Object.assign(new TypeError("not now"), { code: "E_NOT" });
    });
    expect(asked).toEqual(["not now", "E_NOT"]);
  });

  it("is refused a result that lives in its thread", async () => {
    await using kit = await openKit();
    await kit.add("gives", "return { deep: [() => 1] }");
    await kit.add("mixes", "return [f, () => 1]", "f");
    const bad = { code: "EXECUTOR_BAD_RESULT" };
    expect(await failure(kit.code("gives"))).toMatchObject(bad);
    expect(await failure(kit.code("mixes", () => 2))).toMatchObject(bad);
  });

  it("gives back a reference that the caller has from elsewhere", async () => {
    await using kit = await openKit();
    const exports = { api: { twice: (n: number) => n * 2 } };
    await using pair = await sessionPair({ far: { exports } });
    const ref = await pair.near.remote<typeof exports.api>("api");
    await kit.add("uses", "return { api }", "api");
    const result = (await kit.code("uses", ref)) as { api: unknown };
    expect(result.api).toBe(ref);
  });

  it("is ended by a signal, whatever it does, and rejects with the reason", async () => {
    await using kit = await openKit({ workers: { maxThreads: 1 } });
    await kit.add("spins", "begun?.(); for (;;);", "begun");
    await kit.add("fine", "return 1");
    const controller = new AbortController();
    const reason = new Error("enough");
    const begun = (): void => controller.abort(reason);
    const { signal } = controller;
    expect(await failure(kit.code.run("spins", { begun }, { signal }))).toBe(reason);
    expect(await failure(kit.code.run("fine", {}, { signal }))).toBe(reason);
    // The only thread is another now.
    expect(await kit.code("fine")).toBe(1);
  });

  it("that ends its thread rejects, and the next call works", async () => {
    await using kit = await openKit({ workers: { maxThreads: 1 } });
    await kit.add("exits", "process.exit(3)");
    await kit.add("fine", "return 1");
    const error = await failure(kit.code("exits"));
    expect(error).toMatchObject({ code: "EXECUTOR_LOST" });
    expect(error.message).toContain("process.exit(3)");
    expect(await kit.code("fine")).toBe(1);
  });

  it("that holds too much rejects, and this process goes on", async () => {
    await using kit = await openKit({ workers: { memoryMb: 64 } });
    await kit.add("hog", "const all = []; for (;;) all.push(new Array(1e6).fill(1))");
    expect(await failure(kit.code("hog"))).toMatchObject({ code: "EXECUTOR_MEMORY" });
  });

  it("runs the version that was live when it was made; modules keep their state until they change", async () => {
    await using kit = await openKit({ workers: { maxThreads: 1 } });
    await using modules = await ModuleRoot.open(kit.code.library);
    await modules.add("counter", counter(1));
    await kit.add("counts", 'import { next } from "tree:counter"; return next()');
    expect([await kit.code("counts"), await kit.code("counts")]).toEqual([1, 2]);
    const before = kit.code("counts");
    const { revision } = await modules.add("counter", counter(10));
    await kit.code.settled(revision);
    expect([await before, await kit.code("counts")]).toEqual([3, 10]);
  });

  it("prints where this process prints", async () => {
    await using kit = await openKit();
    await kit.add(
      "prints",
      "process.stdout.write(''); console.debug(''); return process.stdout.writable",
    );
    expect(await kit.code("prints")).toBe(true);
  });
});

describe("CodeRoot.open() workers", () => {
  it("close() waits for calls that run, and refuses others", async () => {
    const kit = await openKit();
    await kit.add("waits", "wait(); return 1", "wait");
    const wait = deferred<void>();
    const call = kit.code("waits", () => wait.promise);
    const closing = kit.code.close();
    wait.resolve();
    expect(await call).toBe(1);
    await closing;
    await kit.tree.close();
  });

  it("refuses options that there are not, and a signal where nothing can be ended", async () => {
    await using kit = await openKit();
    const wrong = { workers: { maxThread: 1 } } as object;
    await expect(CodeRoot.open(kit.tree, wrong)).rejects.toThrow("did you mean maxThreads?");
    await kit.code.add("inline", { code: "return 1" });
    const { signal } = new AbortController();
    expect(() => kit.code.run("inline", {}, { signal })).toThrow(
      expect.objectContaining({ code: "CODE_MODE" }),
    );
  });

  it("none where nothing is evaluated", async () => {
    await using kit = await openKit();
    await kit.add("fine", "return 1");
    const other = await CodeRoot.open(kit.code.library, { evaluate: false });
    expect(() => other("fine")).toThrow("without evaluating");
  });
});
