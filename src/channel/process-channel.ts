import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

import { ChannelError } from "../base/errors.ts";
import type { ChannelOptions } from "./base-channel.ts";
import type { Channel } from "./channel.ts";
import { PipePair, type Pipes } from "./pipe-pair.ts";
import { StreamChannel } from "./stream.ts";

/**
 * The shell's way to keep a program's output apart from its messages: standard input and output
 * become file descriptors 4 and 3; what the program prints, by whatever means, goes to standard
 * error, and there is nothing to read for it.
 */
export const SHIELD = "exec 4<&0 3>&1 0</dev/null 1>&2";

/** The end of its pipes and the end of a process are told apart, in any order, but soon. */
const EXIT_MS = 100;

/** What leads to a process, and from it. */
export type ProcessPipes = Pick<Pipes, "input" | "output">;

/** A channel over pipes of a process. Where that fails, how it ended is the reason. */
export function processChannel(
  child: ChildProcess,
  { input, output }: ProcessPipes,
  options: ChannelOptions,
): Channel {
  const reason = (): Promise<ChannelError | undefined> => reasonOfEnd(child);
  const pair = new PipePair({ input, output, reason });
  const channel = new StreamChannel(pair, { ...options, marksEnd: true });
  const look = (seenBytes: number): void => {
    if (output.readableEnded || pair.destroyed) return;
    const isRead = pair.readableLength === 0 && !output.isPaused();
    const isQuiet = isRead && channel.receivedBytes === seenBytes;
    if (isQuiet) pair.destroy(exitError(child));
    else setTimeout(look, EXIT_MS, channel.receivedBytes).unref();
  };
  child.once("error", (error) => pair.destroy(error));
  // Whatever the process has started may have its pipes open still, and is not who we talk to.
  child.once("exit", () => look(-1));
  return channel;
}

/** Why the child's pipes have come to an end; `undefined` where that is in order. */
async function reasonOfEnd(child: ChildProcess): Promise<ChannelError | undefined> {
  if (!hasExited(child)) {
    // One that closes its pipes and lives on is not waited for.
    const signal = AbortSignal.timeout(EXIT_MS);
    await once(child, "exit", { signal }).catch(() => {});
  }
  const failed = hasExited(child) && child.exitCode !== 0;
  return failed ? exitError(child) : undefined;
}

function hasExited({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function exitError({ exitCode, signalCode }: ChildProcess): ChannelError {
  const how = signalCode === null ? `exited with code ${exitCode}` : `was ended by ${signalCode}`;
  const details = { exitCode, signalCode };
  return new ChannelError("CHANNEL_CLOSED", `the child process ${how}`, { details });
}
