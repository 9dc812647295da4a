import { MessageChannel } from "node:worker_threads";

import { expect, it } from "vitest";

import { deferred } from "../../../src/base/deferred.ts";
import { threadChannel } from "../../../src/channel/thread.ts";
import { openSession, type Session } from "../../../src/remote/session.ts";
import { openSyncSession, type SyncSession } from "../../../src/remote/sync/session.ts";

const box = {
  make: (n: number) => ({ n, twice: () => ({ value: 2 * n }) }),
  fail: (): { readonly n: number } => {
    throw new RangeError("no");
  },
  later: async (wait: Promise<number>) => ({ n: await wait }),
};

interface Pair extends AsyncDisposable {
  readonly near: Session;
  readonly far: SyncSession;
}

/** A session with stubs, whose peer has proxies. */
async function pair(): Promise<Pair> {
  const { port1, port2 } = new MessageChannel();
  const far = openSyncSession(threadChannel(port2), { exports: { box } });
  const near = await openSession(threadChannel(port1));
  return {
    near,
    far,
    [Symbol.asyncDispose]: async () => {
      await near.close();
      far.close();
    },
  };
}

it("a side with proxies serves requests that build on requests of the same message", async () => {
  await using sessions = await pair();
  const remote = sessions.near.remote<typeof box>("box");
  expect(await remote.make(4).twice().value).toBe(8);
  expect(await remote.make(remote.make(4).twice().value).n).toBe(8);
  const [made, failed] = [remote.make(1), remote.fail()];
  const seen = await Promise.allSettled([made.twice().value, failed.n, failed]);
  expect(seen.map((result) => ("value" in result ? result.value : String(result.reason)))).toEqual([
    2,
    "RangeError: no",
    "RangeError: no",
  ]);
  const wait = deferred<number>();
  const n = remote.later(wait.promise).n;
  wait.resolve(7);
  expect(await n).toBe(7);
  expect(sessions.far.stats()).toMatchObject({ serving: 0 });
});

it("a side with proxies keeps no result that its peer is done with before it is served", async () => {
  await using sessions = await pair();
  const remote = sessions.near.remote<typeof box>("box");
  const settled = [1, 2, 3].map((n) => remote.make(n).twice().value);
  expect(await Promise.all(settled)).toEqual([2, 4, 6]);
  // What it is done with, it says in the next message.
  expect(await sessions.near.names()).toEqual(["box"]);
  expect(await sessions.near.names()).toEqual(["box"]);
  expect(sessions.far.stats().waiting).toBe(0);
});
