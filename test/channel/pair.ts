import { expect } from "vitest";

import { ChannelError } from "../../src/base/errors.ts";
import type { Channel } from "../../src/channel/channel.ts";
import type { ChannelPair } from "../../src/testing/channel-pair.ts";

/** Ends both at disposal, and then what carried them: `clean` checks that nothing is left. */
export function disposablePair(
  near: Channel,
  far: Channel,
  clean: () => void | Promise<void> = () => {},
): ChannelPair {
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      const reason = new ChannelError("CHANNEL_CLOSED", "the test is over");
      near.abort(reason);
      far.abort(reason);
      await Promise.all([near.closed, far.closed]);
      expect([near.state, far.state]).toEqual(["closed", "closed"]);
      await clean();
    },
  };
}
