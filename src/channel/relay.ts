import type { Channel } from "./channel.ts";

/**
 * Makes two channels one: what comes in at one end goes out at the other, as fast as that takes it.
 * When either ends, so does the other, and in the same way. Takes both over. What is on
 * its way to an end that closes meanwhile is lost, as neither can be half open. `send` hands to the
 * other what comes from the one.
 */
export function relay(
  one: Channel,
  other: Channel,
  send: (message: Uint8Array) => boolean = (message) => other.send(message),
): void {
  pass(one, other, send);
  pass(other, one, (message) => one.send(message));
}

function pass(from: Channel, to: Channel, send: (message: Uint8Array) => boolean): void {
  from.receive((message) => {
    try {
      if (send(message)) return;
    } catch {
      // It is closing: what comes from here on has nowhere to go, and this end follows.
      return;
    }
    from.pause();
    void resumeOnceDrained(from, to);
  });
  void endWith(from, to);
}

async function resumeOnceDrained(from: Channel, to: Channel): Promise<void> {
  await to.drained();
  from.resume();
}

async function endWith(from: Channel, to: Channel): Promise<void> {
  const error = await from.closed;
  if (error === undefined) await to.close();
  else to.abort(error);
}
