import { afterEach, describe, expect, test } from "vitest";

import { LinkChannel } from "../../src/tree/link-channel.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { openSession } from "../../src/remote/session.ts";
import type { ChannelPair, PairLimits } from "../../src/testing/channel-pair.ts";
import { channelSuite } from "../../src/testing/channel-suite.ts";
import { path, soon } from "../../src/testing/engine-suite-kit.ts";
import { Tree } from "../../src/tree/tree.ts";
import { disposablePair } from "../channel/pair.ts";
import { TestHub } from "../engine/hub-kit.ts";

const DOOR = path("a.door");

async function linkedPair(near: Engine, far: Engine, limits: PairLimits): Promise<ChannelPair> {
  const caller = new LinkChannel("caller", limits.near);
  const callee = new LinkChannel("callee", limits.far);
  const offer = far.peers.accept(DOOR, (other) => {
    callee.join(other);
    return callee.near;
  });
  await offer.ready;
  caller.join(await near.peers.link(DOOR, caller.near));
  return disposablePair(caller, callee, async () => {
    await offer[Symbol.asyncDispose]();
    await near.close();
    await far.close();
  });
}

describe("a channel over a link within one engine", () => {
  channelSuite({
    test,
    open: async (limits) => {
      const engine = new MemoryEngine();
      return linkedPair(engine, engine, limits);
    },
  });
});

describe("a channel over a link that a hub carries", () => {
  let hub: TestHub | undefined;
  afterEach(async () => {
    await hub?.[Symbol.asyncDispose]();
    hub = undefined;
  });

  channelSuite({
    test,
    open: async (limits) => {
      hub ??= new TestHub(new MemoryEngine());
      return linkedPair(await hub.client(), await hub.client(), limits);
    },
  });

  test("both ends break when the hub is lost", async () => {
    hub = new TestHub(new MemoryEngine());
    await using pair = await linkedPair(await hub.client(), await hub.client(), {});
    hub.breakAll();
    for (const end of [pair.near, pair.far]) {
      expect(await soon(end.closed, "the end")).toMatchObject({ code: "CHANNEL_CLOSED" });
    }
  });

  test("the other end breaks when a client is gone, whichever", async () => {
    hub = new TestHub(new MemoryEngine());
    for (const gone of [0, 1]) {
      const before = hub.connections.length;
      const clients = [await hub.client(), await hub.client()] as const;
      await using pair = await linkedPair(...clients, {});
      const ends = [pair.near, pair.far];
      hub.connections[before + gone]?.far.abort(new Error("killed"));
      const stays = ends[1 - gone]?.closed as Promise<unknown>;
      expect(await soon(stays, "the end")).toMatchObject({ code: "CHANNEL_CLOSED" });
    }
  });
});

describe("Peers.connect()", () => {
  test("carries a session of remote objects between two clients of a hub", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const near = Tree.over(await hub.client());
    const far = Tree.over(await hub.client());
    const lamps = { count: 0, switch: (on: boolean) => `${(lamps.count += 1)} ${on}` };
    const door = far.peers.accept("lamps", (channel) => {
      void openSession(channel, { exports: { lamps } });
    });
    await door.ready;
    await using session = await openSession(await near.peers.connect("lamps"));
    const remote = session.remote<typeof lamps>("lamps");
    expect(await Promise.all([remote.switch(true), remote.switch(false)])).toEqual([
      "1 true",
      "2 false",
    ]);
    hub.breakAll();
    await expect(remote.switch(true)).rejects.toMatchObject({ code: "REMOTE_BROKEN" });
    await using again = await openSession(await near.peers.connect("lamps"));
    expect(await again.remote<typeof lamps>("lamps").switch(true)).toBe("3 true");
  });

  test("is refused where nobody is behind the door, and where the one there throws", async () => {
    await using tree = Tree.over(new MemoryEngine());
    await expect(tree.peers.connect("no.door")).rejects.toMatchObject({
      code: "ENGINE_NO_RESPONDER",
    });
    tree.peers.accept("door", () => {
      throw new Error("not today");
    });
    await expect(tree.peers.connect("door")).rejects.toMatchObject({
      code: "ENGINE_RESPONDER_LOST",
      message: expect.stringContaining("not today"),
    });
  });

  test("is aborted where who took it fails later, and the next is taken", async () => {
    await using tree = Tree.over(new MemoryEngine());
    let taken = 0;
    tree.peers.accept("door", async (channel) => {
      if (++taken === 1) throw new Error("not this one");
      await openSession(channel, { exports: { taken } });
    });
    const refused = await tree.peers.connect("door");
    expect(await refused.closed).toMatchObject({ code: "CHANNEL_CLOSED" });
    await using session = await openSession(await tree.peers.connect("door"));
    expect(await session.remote("taken")).toBe(2);
  });
});
