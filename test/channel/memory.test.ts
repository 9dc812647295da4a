import { expect, it } from "vitest";

import { ChannelError } from "../../src/base/errors.ts";
import { memoryChannelPair } from "../../src/channel/memory.ts";
import type { PairLimits } from "../../src/testing/channel-pair.ts";
import { channelSuite } from "../../src/testing/channel-suite.ts";
import { disposablePair } from "./pair.ts";

const open = async ({ near, far }: PairLimits) =>
  disposablePair(...memoryChannelPair({ limits: near, farLimits: far }));

channelSuite({ test: it, open });

it("memoryChannelPair() lets timers run while both ends answer each other for ever", async () => {
  const [near, far] = memoryChannelPair();
  await using pair = disposablePair(near, far);
  near.receive((message) => void near.send(message));
  far.receive((message) => void far.send(message));
  near.send(Uint8Array.of(1));
  await new Promise((resolve) => void setImmediate(resolve));
  expect(pair.near.state).toBe("open");
});

it("memoryChannelPair() tells the peer of an abort", async () => {
  await using pair = await open({});
  pair.near.abort(new ChannelError("CHANNEL_MALFORMED"));
  expect(await pair.far.closed).toMatchObject({ code: "CHANNEL_CLOSED" });
});
