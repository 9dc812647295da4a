import { describe, expect, it } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import type { HubSession } from "../../src/engine/hub-link.ts";
import type { MessageSink } from "../../src/engine/hub-server.ts";
import { HubSubscription } from "../../src/engine/hub-subscription.ts";
import { Path } from "../../src/wire/path.ts";

const WORK = Path.fromElements(["work"]);

function isClosed(error: unknown): boolean {
  return BanyanError.has(error, "ENGINE_CLOSED");
}

/** What a hub is told, and what it has to send to. */
function startedOne(group?: string) {
  const sinks: MessageSink[] = [];
  const hub = {
    subscribe: (_id: number, _topic: unknown, sink: MessageSink) => {
      sinks.push(sink);
      return Promise.resolve();
    },
    stop: () => Promise.resolve(),
  };
  const session = { hub, hello: { epoch: "e" }, gone: false, drop() {} };
  const subscription = new HubSubscription(1, WORK, { group, onEnd() {} });
  subscription.start(session as unknown as HubSession);
  const [sink] = sinks;
  if (sink === undefined) throw new Error("the hub was not asked");
  return { subscription, send: async (data: Uint8Array) => sink(WORK, data, 0) };
}

describe("HubSubscription", () => {
  it("refuses a group's message that was on its way while it ended: another member gets it", async () => {
    const { subscription, send } = startedOne("g");
    const waiting = send(new Uint8Array([1]));
    subscription.end();
    await expect(waiting).rejects.toSatisfy(isClosed);
    await expect(send(new Uint8Array([2]))).rejects.toSatisfy(isClosed);
  });

  it("lets a message go that was on its way while it ended, where there is no group", async () => {
    const { subscription, send } = startedOne();
    subscription.end();
    expect(await send(new Uint8Array([1]))).toBeUndefined();
  });
});
