import type { Clock } from "../base/clock.ts";
import type { Channel } from "../channel/channel.ts";

/** Closes in order, or, where the peer does not read, after a while. */
export async function closeWithin(channel: Channel, clock: Clock, graceMs: number): Promise<void> {
  const controller = new AbortController();
  using _timer = clock.after(graceMs, () => controller.abort());
  try {
    await channel.close({ signal: controller.signal });
  } catch (error) {
    if (!controller.signal.aborted) throw error;
  }
}
