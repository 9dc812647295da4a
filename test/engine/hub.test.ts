import { describe, test } from "vitest";

import { memoryChannelPair } from "../../src/channel/memory.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { HubEngine } from "../../src/engine/hub-client.ts";
import { serveEngine } from "../../src/engine/hub-server.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { openSession, type Session } from "../../src/remote/session.ts";
import { engineSuite } from "../../src/testing/engine-suite.ts";

/** A hub in this process; each connection is a pair of channels in memory. */
class TestHub implements AsyncDisposable {
  readonly engine: Engine;
  readonly #sessions = new Set<Session>();

  constructor(engine: Engine) {
    this.engine = engine;
  }

  async connect(): Promise<Session> {
    const [near, far] = memoryChannelPair();
    const serving = serveEngine(this.engine, { pid: 1, epoch: "1" });
    const opened = openSession(far, { exports: serving.exports, plain: "copy", name: "hub" });
    const session = await openSession(near, { plain: "copy", name: "client" });
    const there = await opened;
    this.#sessions.add(there);
    void there.closed.then(() => serving.end());
    return session;
  }

  breakAll(): void {
    for (const session of this.#sessions) session.abort(new Error("the hub was killed"));
    this.#sessions.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    await Promise.all(Array.from(this.#sessions, (session) => session.close()));
  }
}

describe("HubEngine", () => {
  engineSuite({
    test,
    open: async ({ history, maxValueBytes }) => {
      const hub = new TestHub(
        new MemoryEngine({
          ...(history !== undefined && { history }),
          ...(maxValueBytes !== undefined && { limits: { maxValueBytes } }),
        }),
      );
      const clients: Engine[] = [];
      const another = async (): Promise<Engine> => {
        const client = await HubEngine.open({ connect: () => hub.connect() });
        clients.push(client);
        return client;
      };
      return {
        engine: await another(),
        another,
        [Symbol.asyncDispose]: async () => {
          await Promise.all(clients.map((client) => client.close()));
          await hub[Symbol.asyncDispose]();
        },
      };
    },
  });
});
