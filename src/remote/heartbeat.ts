import type { Clock } from "../base/clock.ts";
import { type Channel, silenceError } from "../channel/channel.ts";

/** When a peer that says nothing is given up. */
export interface HeartbeatOptions {
  /** How often the peer has to say something, in milliseconds. Default 10,000. */
  readonly idleMs?: number | undefined;
  /** After how long without a byte from it the session ends. Default 30,000; several times `idleMs`. */
  readonly silentMs?: number | undefined;
}

/** A heartbeat with its defaults; 0 for both where there is none. */
export interface Heartbeat {
  readonly idleMs: number;
  readonly silentMs: number;
}

const DEFAULT_HEARTBEAT: Heartbeat = { idleMs: 10_000, silentMs: 30_000 };
const NO_HEARTBEAT: Heartbeat = { idleMs: 0, silentMs: 0 };

/** A beat is a message with nothing in it. */
const BEAT = new Uint8Array(0);

/** A peer can't ask for more beats than that. */
export const MIN_BEAT_MS = 50;

/** So often within `silentMs` it is looked at whether something came. */
const LOOKS = 8;

/**
 * What a session does: by default it wants a heartbeat where a network lies between the two sides.
 *
 * @throws RangeError
 */
export function heartbeatOf(
  channel: Pick<Channel, "crossesNetwork" | "needsNoBeats">,
  options: HeartbeatOptions | boolean | undefined,
): Heartbeat {
  if (channel.needsNoBeats === true || !(options ?? channel.crossesNetwork)) return NO_HEARTBEAT;
  const { idleMs = DEFAULT_HEARTBEAT.idleMs, silentMs = DEFAULT_HEARTBEAT.silentMs } =
    typeof options === "object" ? options : {};
  if (idleMs >= MIN_BEAT_MS && silentMs >= 2 * idleMs) return { idleMs, silentMs };
  throw new RangeError(
    `a heartbeat takes idleMs of ${MIN_BEAT_MS} or more and silentMs of twice that; got ${idleMs} and ${silentMs}`,
  );
}

/** False where somebody else says something at the moment, or has begun to. */
type MaySend = () => boolean;
const always: MaySend = () => true;

/** Says something every `everyMs`, so that the peer knows that this side is there. */
export function beat(channel: Channel, clock: Clock, everyMs: number, maySend = always): void {
  repeat(channel, clock, Math.max(everyMs, MIN_BEAT_MS), () => sendBeat(channel, maySend));
}

/**
 * Breaks the channel when nothing has come for `silentMs`, not even part of a message, with
 * `CHANNEL_SILENT` and what is known of the peer: `details.presence`. The time in which this side
 * itself was busy or asleep doesn't count: what came meanwhile is still to be read.
 */
export function watchSilence(
  channel: Channel,
  clock: Clock,
  silentMs: number,
  maySend = always,
): void {
  const lookMs = silentMs / LOOKS;
  let seenBytes = channel.receivedBytes;
  let lookedAt = clock.now();
  let quietMs = 0;
  repeat(channel, clock, lookMs, () => {
    const now = clock.now();
    const passedMs = Math.min(now - lookedAt, 2 * lookMs);
    lookedAt = now;
    quietMs = channel.receivedBytes === seenBytes ? quietMs + passedMs : 0;
    seenBytes = channel.receivedBytes;
    // Whether this gets through is what tells a busy peer from one that has gone.
    if (quietMs >= silentMs / 4) sendBeat(channel, maySend);
    if (quietMs >= silentMs) void giveUp(channel, silentMs);
  });
}

async function giveUp(channel: Channel, silentMs: number): Promise<void> {
  const seenBytes = channel.receivedBytes;
  const presence = await channel.presence();
  if (channel.receivedBytes !== seenBytes || channel.state === "closed") return;
  channel.abort(silenceError(presence, silentMs));
}

function sendBeat(channel: Channel, maySend: MaySend): void {
  // A channel that is closing has said its last already.
  if (channel.state === "open" && maySend()) channel.send(BEAT);
}

/** Calls `run` until the channel is closed. */
function repeat(channel: Channel, clock: Clock, everyMs: number, run: () => void): void {
  const tick = (): void => {
    timer = clock.after(everyMs, tick);
    run();
  };
  let timer = clock.after(everyMs, tick);
  void channel.closed.then(() => timer[Symbol.dispose]());
}
