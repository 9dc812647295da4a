import { describe, expect, it, test } from "vitest";

import type { TreeEvent } from "../../../src/tree/watch.ts";
import type { Tree } from "../../../src/tree/tree.ts";
import { MemoryEngine } from "../../../src/engine/memory.ts";
import { HUB_EXPORT, type HubService } from "../../../src/engine/hub-server.ts";
import { GuardedEngine } from "../../../src/tree/users/guarded-engine.ts";
import type { Rights } from "../../../src/tree/users/rights.ts";
import { engineSuite } from "../../../src/testing/engine-suite.ts";
import { parsePath } from "../../../src/wire/path-text.ts";
import { encodeValue } from "../../../src/wire/value.ts";
import { TestHub } from "../../engine/hub-kit.ts";
import { GuardedHub } from "../../node/guarded-hub.ts";

const DENIED = { code: "ENGINE_DENIED" };

/** A hub with a role `foo` of these rights, and somebody who has it. */
async function withRights(rights: Record<string, string>): Promise<{
  hub: GuardedHub;
  tree: Tree;
  [Symbol.asyncDispose]: () => Promise<void>;
}> {
  const hub = await GuardedHub.open();
  for (const [pattern, letters] of Object.entries(rights)) {
    await hub.owner.roles.set("foo", pattern, letters);
  }
  const tree = await hub.user("aclix", "foo");
  return { hub, tree, [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose]() };
}

async function paths(
  items: AsyncIterable<{ readonly path: { toString(): string } }>,
): Promise<string[]> {
  const found: string[] = [];
  for await (const { path } of items) found.push(path.toString());
  return found;
}

async function noAnswer(): Promise<never> {
  throw new Error("no");
}

/** Reads a watch event by event. */
class Reader {
  readonly #events: AsyncIterator<TreeEvent>;

  constructor(tree: Tree, path: string) {
    this.#events = tree.watch(path)[Symbol.asyncIterator]();
  }

  /** What comes, as text, up to one of this type. */
  async until(type: string): Promise<string[]> {
    const seen: string[] = [];
    for (;;) {
      const { done, value } = await this.#events.next();
      if (done === true) return [...seen, "end"];
      seen.push(text(value));
      if (value.type === type) return seen;
    }
  }
}

function text(event: TreeEvent | void): string {
  if (event === undefined) return "end";
  if (event.type === "put") return `put ${event.entry.path.toString()}`;
  if (event.type === "delete") return `delete ${event.path.toString()}`;
  return event.type === "reset" ? `reset ${event.cause}` : event.type;
}

describe("a user's engine with all rights", () => {
  const all: Rights = {
    isFull: true,
    allows: () => true,
    revision: 0,
    subscribe: () => ({ [Symbol.dispose]: () => {} }),
  };
  const account = {
    whoami: async () => ({ name: "root", roles: [] }),
    rights: async () => "",
    changePassword: async () => {},
    readSecret: async () => undefined,
    writeSecret: async () => {},
    whyNotRun: async () => undefined,
  };

  engineSuite({
    test,
    open: async ({ history, maxValueBytes }) => {
      const engine = new MemoryEngine({
        ...(history !== undefined && { history }),
        ...(maxValueBytes !== undefined && { limits: { maxValueBytes } }),
      });
      for (const name of ["put", "delete"] as const) {
        const write = engine[name].bind(engine) as (...args: unknown[]) => unknown;
        // The suite wants the authors that it gave; here they are told with the user's name.
        const unnamed = (...args: unknown[]): unknown => {
          const { author, ...options } = args.at(-1) as { author: string };
          return write(...args.slice(0, -1), {
            ...options,
            author: author.replace(/^root( as )?/, ""),
          });
        };
        Object.assign(engine, { [name]: unnamed });
      }
      const hub = new TestHub(
        new GuardedEngine(engine, () => ({ name: "root", rights: all, account })),
      );
      return {
        engine: await hub.client(),
        another: () => hub.client(),
        [Symbol.asyncDispose]: async () => {
          await hub[Symbol.asyncDispose]();
          await engine.close();
        },
      };
    },
  });
});

describe("a user's tree", () => {
  it("AC1 lets create what c lets, change what w lets, and make new things below what n lets", async () => {
    await using world = await withRights({ one: "rxnc", "one.two": "rc" });
    const { tree, hub } = world;
    await tree.set("one", 10);
    await tree.set("one.two", 11);
    await expect(tree.set("one.two.three", 12)).rejects.toMatchObject(DENIED);
    await expect(tree.set("one.two", 22)).rejects.toMatchObject(DENIED);
    await expect(tree.set("one", 22)).rejects.toMatchObject(DENIED);
    await expect(tree.set("foo", 23)).rejects.toMatchObject(DENIED);
    await expect(tree.delete("one.two")).rejects.toMatchObject(DENIED);
    expect(await tree.get("one")).toBe(10);
    expect(await tree.get("one.two")).toBe(11);
    expect(await paths(hub.owner.walk(":", { maxDepth: 4 }))).toContain("one.two");
    expect(await hub.owner.get("one.two.three")).toBeUndefined();
  });

  it("AC3 obeys a change of the rights with the next request", async () => {
    await using world = await withRights({ a: "r" });
    const { tree, hub } = world;
    await hub.owner.set("a", 1);
    await hub.owner.set("b", 2);
    expect(await tree.get("a")).toBe(1);
    await hub.owner.roles.set("foo", "a", "");
    await expect(tree.get("a")).rejects.toMatchObject(DENIED);
    await hub.owner.roles.set("foo", "b", "r");
    expect(await tree.get("b")).toBe(2);
    await hub.owner.users.set("aclix", { roles: [] });
    await expect(tree.get("b")).rejects.toMatchObject(DENIED);
    await hub.owner.users.set("aclix", { roles: ["reader"] });
    expect(await tree.get("a")).toBe(1);
    await hub.owner.users.set("aclix", { roles: ["foo"] });
    await hub.owner.roles.remove("foo");
    await expect(tree.get("b")).rejects.toMatchObject(DENIED);
  });

  it("ends a watch, a mirror's source and a subscription that are not allowed any more with an error", async () => {
    await using world = await withRights({ "one.#": "rxe", "two.#": "rxe" });
    const { tree, hub } = world;
    const events = tree.watch("one.a")[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ type: "ready" });
    const subscription = tree.subscribe("one.a");
    const grouped = tree.subscribe("one.a", { group: "g" });
    const other = tree.subscribe("two.a");
    await Promise.all([subscription.ready, grouped.ready, other.ready]);
    const ends = [events.next(), subscription.next(), grouped.next()].map((next) =>
      expect(next).rejects.toMatchObject({
        ...DENIED,
        message: "aclix may not list what is below one.a",
      }),
    );
    await hub.owner.roles.set("foo", "one.#", "x");
    await Promise.all(ends);
    await hub.owner.publish("two.a", "still heard");
    expect((await other.next()).value).toMatchObject({ value: "still heard" });
  });

  it("AC5 is listed only with e, and read by name with x", async () => {
    await using world = await withRights({ a: "x", "a.#": "rx" });
    const { tree, hub } = world;
    await hub.owner.set("a.b", 1);
    expect(await tree.get("a.b")).toBe(1);
    for (const listing of [tree.list("a"), tree.walk("a"), tree.walk("a", { minDepth: 1 })]) {
      await expect(listing.toArray()).rejects.toMatchObject(DENIED);
    }
    await hub.owner.roles.set("foo", "a", "xe");
    expect((await tree.list("a").toArray()).map(({ name }) => name)).toEqual(["b"]);
    expect(await paths(tree.walk("a"))).toEqual(["a.b"]);
  });

  it("shows names with e, values with r, and of a subtree what may be listed", async () => {
    await using world = await withRights({
      a: "rxe",
      "a.+": "rxe",
      "a.secret": "xe",
      "a.hidden": "rx",
      "a.hidden.#": "rxe",
      "a.secret.b": "r",
    });
    const { tree, hub } = world;
    for (const path of ["a", "a.b", "a.secret", "a.secret.b", "a.hidden", "a.hidden.b"]) {
      await hub.owner.set(path, path);
    }
    const children = await tree.list("a").toArray();
    expect(children.map(({ name, entry }) => [name, entry?.value])).toEqual([
      ["b", "a.b"],
      ["hidden", "a.hidden"],
      ["secret", undefined],
    ]);
    expect(await paths(tree.walk("a"))).toEqual(["a", "a.b", "a.hidden", "a.secret.b"]);
    expect(await new Reader(tree, "a").until("ready")).toEqual([
      "put a",
      "put a.b",
      "put a.hidden",
      "put a.secret.b",
      "ready",
    ]);
    // By name, though it is not listed.
    expect(await tree.get("a.hidden.b")).toBe("a.hidden.b");
  });

  it("says the same of what is there and what is not, and never what it is", async () => {
    await using world = await withRights({ a: "xwc", "b.#": "rx" });
    const { tree, hub } = world;
    const { revision } = await hub.owner.set("a", "the secret");
    await hub.owner.set("c", "another");
    const says = async (path: string): Promise<string> =>
      tree.get(path).then(String, ({ message }: Error) => message.replace(/ \w$/, " it"));
    expect(await says("c")).toBe(await says("d"));
    for (const path of ["a", "c"]) {
      await expect(tree.get(path)).rejects.toMatchObject(DENIED);
      await expect(tree.entry(path)).rejects.toMatchObject(DENIED);
      await expect(tree.history(path)).rejects.toMatchObject(DENIED);
      await expect(tree.diff(path)).rejects.toMatchObject(DENIED);
      await expect(tree.revert(path, revision)).rejects.toMatchObject(DENIED);
    }
    const conflict = await tree.set("a", 1, { ifRevision: 999 }).catch((error: unknown) => error);
    expect(conflict).toMatchObject({ code: "ENGINE_CONFLICT", details: {} });
    expect(String(conflict)).not.toContain(String(revision));
    expect((await tree.set("a", 2)).previous).toBeUndefined();
    // A condition would tell at which revision another entry is.
    const condition = { path: "c", revision: 1 };
    await expect(tree.set("a", 3, { condition })).rejects.toMatchObject(DENIED);
    expect(await hub.owner.get("a")).toBe(2);
  });

  it("watches what may be seen; a change of rights starts it over with what may be seen then", async () => {
    await using world = await withRights({ a: "rxe", "a.b": "r" });
    const { tree, hub } = world;
    await hub.owner.set("a.b", 1);
    await hub.owner.set("a.c", 1);
    const reader = new Reader(tree, "a");
    expect(await reader.until("ready")).toEqual(["put a.b", "ready"]);
    await hub.owner.set("a.c", 2);
    await hub.owner.delete("a.c");
    await hub.owner.set("a.b", 2);
    expect(await reader.until("put")).toEqual(["put a.b"]);
    await hub.owner.set("a.c", 3);
    await hub.owner.roles.set("foo", "a.c", "r");
    expect(await reader.until("ready")).toEqual(["reset rights", "put a.b", "put a.c", "ready"]);
    await hub.owner.set("a.c", 4);
    expect(await reader.until("put")).toEqual(["put a.c"]);
    await hub.owner.roles.set("foo", "a.b", "");
    expect(await reader.until("ready")).toEqual(["reset rights", "put a.c", "ready"]);
    await hub.owner.roles.set("foo", "a", "x");
    await expect(reader.until("ready")).rejects.toMatchObject(DENIED);
    expect(() => tree.watch("z")).not.toThrow();
    await expect(new Reader(tree, "z").until("ready")).rejects.toMatchObject(DENIED);
  });

  it("mirrors lose what may not be seen any more, and gain what may", async () => {
    await using world = await withRights({ a: "rxe", "a.b": "r" });
    const { tree, hub } = world;
    await hub.owner.set("a.b", 1);
    await hub.owner.set("a.c", 1);
    await using mirror = await tree.mirror("a");
    expect(mirror.children()).toEqual(["b"]);
    const changes: string[] = [];
    const done = new Promise<void>((resolve) => {
      mirror.subscribe((batch) => {
        for (const { type, path } of batch.changes) changes.push(`${type} ${path.toString()}`);
        if (changes.length === 2) resolve();
      });
    });
    await hub.owner.roles.set("foo", "a.c", "r");
    await hub.owner.roles.set("foo", "a.b", "");
    await done;
    expect(changes.toSorted()).toEqual(["delete a.b", "put a.c"]);
    expect(mirror.children()).toEqual(["c"]);
  });

  it("a watch that is resumed behind a change of rights starts over", async () => {
    await using world = await withRights({ a: "rxe", "a.b": "r", "a.c": "r" });
    const { tree, hub } = world;
    await hub.owner.set("a.b", 1);
    await hub.owner.set("a.c", 1);
    const watch = tree.watch("a");
    for await (const event of watch) if (event.type === "ready") break;
    const { cursor } = watch;
    const resumed = tree.watch("a", { after: cursor })[Symbol.asyncIterator]();
    expect((await resumed.next()).value).toMatchObject({ type: "live" });
    await hub.owner.roles.set("foo", "a.c", "");
    const again = tree.watch("a", { after: cursor })[Symbol.asyncIterator]();
    expect(text((await again.next()).value)).toMatch(/^reset/);
    expect(text((await again.next()).value)).toBe("put a.b");
    expect(text((await again.next()).value)).toBe("ready");
  });

  it("hears and sends messages where r and w let it", async () => {
    await using world = await withRights({ a: "rxe", "a.#": "rxe", "a.hidden": "", b: "w" });
    const { tree, hub } = world;
    await expect(tree.publish("a", 1)).rejects.toMatchObject(DENIED);
    await tree.publish("b", 1);
    await using heard = tree.subscribe("a");
    await heard.ready;
    await hub.owner.publish("a.hidden", "psst");
    await hub.owner.publish("a.b", "hello");
    const first = await heard[Symbol.asyncIterator]().next();
    expect(first.value).toMatchObject({ value: "hello" });
    await using pattern = tree.subscribe("+.+");
    await pattern.ready;
    await hub.owner.publish("a.hidden", "psst");
    await hub.owner.publish("c.c", "psst");
    await hub.owner.publish("a.c", "hello again");
    expect((await pattern[Symbol.asyncIterator]().next()).value).toMatchObject({
      value: "hello again",
    });
  });

  it("asks, answers and is there only where that is allowed", async () => {
    await using world = await withRights({ a: "rx", "a.#": "rwx", b: "r" });
    const { tree, hub } = world;
    const peers = tree.engine.peers;
    const bytes = encodeValue(1);
    await expect(peers.request(parsePath("b"), bytes)).rejects.toMatchObject(DENIED);
    for (const place of ["b", "c", "a.+", "#"]) {
      const at = parsePath(place);
      await expect(peers.respond(at, noAnswer).ready).rejects.toMatchObject(DENIED);
      await expect(peers.accept(at, (caller) => caller).ready).rejects.toMatchObject(DENIED);
    }
    await expect(peers.announce(parsePath("c"), bytes).ready).rejects.toMatchObject(DENIED);
    await using answering = peers.respond(parsePath("a.b"), async ({ data }) => ({
      failed: false,
      data,
      by: "me",
    }));
    await answering.ready;
    expect(await hub.engine.peers.request(parsePath("a.b"), bytes)).toMatchObject({ by: "me" });
  });

  it("does not let one take another's place among those who are there", async () => {
    await using world = await withRights({ a: "rx", "a.#": "rwx" });
    const { tree, hub } = world;
    const other = hub.engine.peers.announce(parsePath("a.other"), encodeValue("other"));
    const mine = tree.engine.peers.announce(parsePath("a.mine"), encodeValue("mine"), {
      again: { id: other.id, since: 0 },
    });
    await mine.ready;
    const seen: string[] = [];
    for await (const batch of hub.engine.peers.presence(parsePath("a"))) {
      for (const event of batch)
        if (event.type === "join") seen.push(event.member.place.toString());
      if (batch.some(({ type }) => type === "ready")) break;
    }
    expect(seen.toSorted()).toEqual(["a.mine", "a.other"]);
  });

  it("AC7 neither sets nor cancels a job without w on it, and writes no code", async () => {
    await using world = await withRights({ "#": "rwcdxen", ":.banyan.#": "rwcdxen", ":.banyan.job.#": "rxe", ":.banyan.code.#": "rxe" }); // prettier-ignore
    const { tree, hub } = world;
    await hub.owner.set(":.banyan.job.heat", { code: "heat" });
    await expect(tree.set(":.banyan.job.heat", {})).rejects.toMatchObject(DENIED);
    await expect(tree.set(":.banyan.request.heat", { action: "cancel" })).rejects.toMatchObject(
      DENIED,
    );
    await expect(tree.delete(":.banyan.request.heat")).rejects.toMatchObject(DENIED);
    await expect(tree.set(":.banyan.code.proc.a", {})).rejects.toMatchObject(DENIED);
    await hub.owner.roles.set("foo", ":.banyan.job.#", "rwxe");
    await tree.set(":.banyan.request.heat", { action: "cancel" });
  });

  it("AC7 makes no node run code without x on it, whatever the client sends", async () => {
    await using world = await withRights({ ":.banyan.job.#": "rwcxe", ":.banyan.code.#": "re", ":.banyan.code.proc": "rxe", ":.banyan.code.proc.mine": "rxe" }); // prettier-ignore
    const { hub } = world;
    await hub.owner.set(":.banyan.job.heat", { code: "heat", target: null });
    const session = await hub.connect({ token: (await hub.owner.users.addToken("aclix")).token });
    const raw = session.remote<HubService, "copy">(HUB_EXPORT);
    const put = (path: string, value: unknown) => raw.put(parsePath(path), encodeValue(value), {});
    for (const code of ["heat", ["heat"], parsePath("heat"), "mine.not"]) {
      await expect(put(":.banyan.job.new", { code })).rejects.toMatchObject(DENIED);
    }
    // Not even one that is there already: whoever may change it has it run.
    await expect(put(":.banyan.job.heat", { code: "heat", target: 1 })).rejects.toMatchObject(
      DENIED,
    );
    await expect(put(":.banyan.request.heat", { action: "run" })).rejects.toThrow(
      "aclix may not run :.banyan.job.heat",
    );
    await put(":.banyan.request.heat", { action: "cancel" });
    await put(":.banyan.job.new", { code: "mine" });
    await put(":.banyan.request.new", { action: "run" });
    expect(await hub.owner.get(":.banyan.job.new")).toEqual({ code: "mine" });
    expect(hub.refusals.at(-1)).toMatchObject({ operation: "run", right: "x" });
  });

  it("never touches users, roles and secrets, and keeps no history, without being an admin", async () => {
    await using world = await withRights({ ":": "arwcdxen", "#": "arwcdxen", ":.banyan": "arwcdxen", ":.banyan.#": "arwcdxen" }); // prettier-ignore
    const { tree, hub } = world;
    for (const path of [":.banyan.user.aclix", ":.banyan.role.foo", ":.banyan.secret.a"]) {
      await expect(tree.get(path)).rejects.toMatchObject(DENIED);
      await expect(tree.set(path, { roles: ["admin"] })).rejects.toMatchObject(DENIED);
      await expect(tree.delete(path)).rejects.toMatchObject(DENIED);
      await expect(tree.history(path)).rejects.toMatchObject(DENIED);
    }
    const seen = await paths(tree.walk(":"));
    expect(seen.filter((path) => /user|role/.test(path))).toEqual([]);
    expect(await new Reader(tree, ":").until("ready")).not.toContain("put :.banyan.user.aclix");
    await expect(tree.users.list()).rejects.toMatchObject(DENIED);
    await expect(tree.keepHistory("a", { versions: 0 })).rejects.toMatchObject(DENIED);
    const admin = await hub.user("boss", "admin");
    expect((await admin.users.list()).map(({ name }) => name)).toEqual(["aclix", "boss"]);
    await admin.users.set("aclix", { roles: [] });
    await admin.keepHistory("a", { versions: 0 });
  });

  it("writes in the user's name, whatever the client says", async () => {
    await using world = await withRights({ "#": "rwcx" });
    const { tree, hub } = world;
    const session = await hub.connect({ token: (await hub.owner.users.addToken("aclix")).token });
    const raw = session.remote<HubService, "copy">(HUB_EXPORT);
    await raw.put(parsePath("a"), encodeValue(1), { author: "owner" });
    expect((await hub.owner.entry("a"))?.author).toBe("aclix as owner");
    await raw.put(parsePath("a"), encodeValue(2), { author: "aclix run 5" });
    expect((await hub.owner.entry("a"))?.author).toBe("aclix run 5");
    await tree.set("a", 3);
    expect((await hub.owner.entry("a"))?.author).toBe("aclix");
  });

  it("a write that is sent again after a lost answer is the one that was done", async () => {
    await using world = await withRights({ one: "rc" });
    const { hub } = world;
    const session = await hub.connect({ token: (await hub.owner.users.addToken("aclix")).token });
    const raw = session.remote<HubService, "copy">(HUB_EXPORT);
    const write = (operation: string) => raw.put(parsePath("one"), encodeValue(1), { operation });
    const { revision } = await write("first");
    expect((await write("first")).revision).toBe(revision);
    await expect(write("second")).rejects.toMatchObject(DENIED);
    // Nor does another's operation give away what it did.
    const owners = await hub.owner.set("two", "secret", { operation: "owners" });
    await expect(write("owners")).rejects.toMatchObject(DENIED);
    expect(owners.changed).toBe(true);
  });
});

describe("a hostile client", () => {
  it("gets nothing by calling what is exported as it likes", async () => {
    await using world = await withRights({ a: "rx" });
    const { hub } = world;
    await hub.owner.set("b", "the secret");
    const session = await hub.connect({ token: (await hub.owner.users.addToken("aclix")).token });
    expect((await session.names()).toSorted()).toEqual(["account", "engine", "peers"]);
    const raw = session.remote<Record<string, (...args: unknown[]) => unknown>, "copy">(HUB_EXPORT);
    const b = parsePath("b");
    const heard: unknown[] = [];
    const sink = (...args: unknown[]): void => void heard.push(args);
    const attempts: [string, ...unknown[]][] = [
      ["get", b],
      ["page", b, {}],
      ["page", parsePath(":"), { minDepth: -5, maxDepth: 1e9 }],
      ["page", parsePath("a"), { maxDepth: 1 }],
      ["children", parsePath(":"), undefined],
      ["history", b],
      ["put", b, encodeValue(1), { ifRevision: 0 }],
      ["delete", b, {}],
      ["delete", b, { ifRevision: 1, operation: "x" }],
      ["publish", b, encodeValue(1)],
      ["subscribe", 1, b, sink],
      ["watch", 2, parsePath(":"), {}, sink],
      ["watch", 3, b, { after: { store: hub.engine.store, revision: 0 } }, sink],
      ["keepHistory", { prefix: b, versions: 0, maxAgeMs: 0 }],
      ["reading", process.pid, sink],
      ["get", "b"],
      ["get", ["b"]],
      ["get", { length: 1, 0: "b" }],
    ];
    for (const [method, ...args] of attempts) {
      const answer = await Promise.resolve(raw[method]?.(...args)).catch((error: unknown) => error);
      expect(JSON.stringify(answer) ?? "").not.toContain("the secret");
      expect([method, answer instanceof Error]).toEqual([method, true]);
    }
    for (const name of ["constructor", "__proto__", "close", "account", "engine"]) {
      const got = await Promise.resolve(raw[name]?.()).catch((error: unknown) => error);
      expect([name, got instanceof Error]).toEqual([name, true]);
    }
    await hub.owner.set("b", "the next secret");
    await Promise.resolve(raw["ping"]?.());
    expect(JSON.stringify(heard)).not.toContain("secret");
    expect(hub.refusals.length).toBeGreaterThan(5);
    expect(hub.refusals[0]).toMatchObject({ user: "aclix", operation: "get", right: "r" });
  });
});
