import { MessageChannel } from "node:worker_threads";

import { threadChannel } from "../../../src/channel/thread.ts";
import { openSyncSession, type SyncSession } from "../../../src/remote/sync/session.ts";
import type { SyncSessionOptions } from "../../../src/remote/sync/options.ts";

export interface SyncPair extends AsyncDisposable {
  readonly near: SyncSession;
  readonly far: SyncSession;
}

/** Two sessions with proxies within this thread: while one waits, the other is served. */
export function syncPair(far: SyncSessionOptions = {}, near: SyncSessionOptions = {}): SyncPair {
  const { port1, port2 } = new MessageChannel();
  const sessions = {
    near: openSyncSession(threadChannel(port1), { policy: "trusted", name: "near", ...near }),
    far: openSyncSession(threadChannel(port2), { policy: "trusted", name: "far", ...far }),
  };
  return {
    ...sessions,
    async [Symbol.asyncDispose]() {
      sessions.near.close();
      sessions.far.close();
      await Promise.all([sessions.near.closed, sessions.far.closed]);
    },
  };
}
