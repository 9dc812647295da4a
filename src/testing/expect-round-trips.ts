import type { Session } from "../remote/session.ts";
import { totals } from "../remote/stats.ts";

/**
 * Runs `body`, and throws if that took more than `most` round trips: messages with requests that
 * `session` sent meanwhile, or all sessions of this thread where none is given, whoever used them.
 */
export async function expectRoundTrips<T>(
  most: number,
  body: () => T | Promise<T>,
  session?: Session,
): Promise<T> {
  const count = (): number => session?.stats().roundTrips ?? totals.roundTrips;
  const before = count();
  const result = await body();
  const took = count() - before;
  if (took > most) throw new Error(`expected at most ${most} round trips, and it took ${took}`);
  return result;
}
