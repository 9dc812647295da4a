import { memoryChannelPair } from "../channel/memory.ts";
import { openSession, type Session, type SessionOptions } from "../remote/session.ts";
import type { SessionStats } from "../remote/stats.ts";

export interface SessionPairOptions {
  readonly near?: SessionOptions | undefined;
  readonly far?: SessionOptions | undefined;
}

/** Two sessions of one memory channel. Disposing closes both, and throws if anything was left behind. */
export interface SessionPair extends AsyncDisposable {
  readonly near: Session;
  readonly far: Session;
  /** Resolves when everything that either side has sent by now was obeyed by the other. */
  fence(): Promise<void>;
}

/** Opens both sides of a session within this thread. */
export async function sessionPair({ near, far }: SessionPairOptions = {}): Promise<SessionPair> {
  const [nearChannel, farChannel] = memoryChannelPair();
  const sessions = await Promise.all([
    openSession(nearChannel, { name: "near", ...near }),
    openSession(farChannel, { name: "far", ...far }),
  ]);
  const [nearSession, farSession] = sessions;
  return {
    near: nearSession,
    far: farSession,
    fence: async () => {
      // Twice: what the first makes a side send (releases ride along) is obeyed by the second.
      for (let i = 0; i < 2; i++) await Promise.all(sessions.map((session) => session.names()));
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(sessions.map((session) => session.close()));
      for (const session of sessions) assertNothingHeld(session);
    },
  };
}

function assertNothingHeld(session: Session): void {
  const { exports, imports, pending, serving, waiting }: SessionStats = session.stats();
  const held = { exports, imports, pending, serving, waiting };
  if (Object.values(held).every((count) => count === 0)) return;
  throw new Error(`a closed session to ${session.peerName} holds on: ${JSON.stringify(held)}`);
}
