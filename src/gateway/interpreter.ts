import type { Channel } from "../channel/channel.ts";

/** How an interpreter has ended, as far as is known here. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** An interpreter that has been started, and that nothing was said to yet. */
export interface Interpreter {
  /** For people, as `popen#4711`. */
  readonly label: string;
  readonly channel: Channel;
  /** Whether the source has to be sent first, as one message. */
  readonly wantsSource: boolean;
  /** Settles when it is gone, and never rejects. Of one on another machine, what leads there. */
  readonly exited: Promise<Exit>;
  /** Ends it, or asks it to, and does not wait. */
  end(signal: EndSignal): void;
}

/** "SIGTERM" asks, "SIGKILL" ends. A thread has only the latter. */
export type EndSignal = "SIGTERM" | "SIGKILL";

/** How long each step may take. */
interface LadderOptions {
  /** From the end of its input until it is ended by a signal, in milliseconds. */
  readonly graceMs: number;
}

/** From SIGTERM to SIGKILL, and from there until nobody waits any more. */
const STEP_MS = 2_000;

/**
 * Waits for an interpreter whose input has ended; what does not end by itself gets SIGTERM, then
 * SIGKILL. Takes no longer than `graceMs` and four seconds, whatever it does.
 *
 * @returns false where it is not known to have ended even then
 */
export async function endInterpreter(
  interpreter: Pick<Interpreter, "exited" | "end">,
  { graceMs }: LadderOptions,
): Promise<boolean> {
  const { exited } = interpreter;
  if (await within(exited, graceMs)) return true;
  interpreter.end("SIGTERM");
  if (await within(exited, Math.min(graceMs, STEP_MS))) return true;
  interpreter.end("SIGKILL");
  return await within(exited, STEP_MS);
}

/** Whether `promise` settles in time. Keeps the process alive meanwhile: somebody waits for it. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
