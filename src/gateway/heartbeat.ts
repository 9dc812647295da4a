import type { HeartbeatOptions } from "../remote/heartbeat.ts";

/**
 * How often the near side has to say something, where a network lies between. Long, because all that
 * runs over there ends with it, and a near side may compute for a while.
 */
export const FAR_HEARTBEAT: HeartbeatOptions = { idleMs: 15_000, silentMs: 120_000 };
