import type { ChildProcess } from "node:child_process";
import { Socket } from "node:net";

import type { Channel, ChannelLimits } from "./channel.ts";
import { PipePair } from "./pipe-pair.ts";
import { type ProcessPipes, processChannel, SHIELD } from "./process-channel.ts";
import { StreamChannel } from "./stream.ts";

export interface ChildChannelOptions {
  /** A two-way pipe of the child's, as its `stdio` has it; else its standard input and output. */
  readonly fd?: number | undefined;
  /** For logs, as `child:4711`. */
  readonly label?: string | undefined;
  readonly limits?: Partial<ChannelLimits> | undefined;
}

/**
 * A channel to a child process, over pipes that `spawn` made ("pipe"); takes those over. Standard
 * error stays free. The process stays its owner's: closing ends its input, which is for the child to
 * obey; a child that dies closes the channel at once, and its exit code or signal is the reason.
 *
 * @throws TypeError where the child has no such pipe
 */
export function childChannel(
  child: ChildProcess,
  { fd, label = `child:${child.pid}`, limits }: ChildChannelOptions = {},
): Channel {
  return processChannel(child, pipesOf(child, fd), { label, limits });
}

interface StdioChannelOptions {
  /** Where messages come from. Default 4, as `shieldStdio` has it. */
  readonly read?: number | undefined;
  /** Where messages go. Default 3. */
  readonly write?: number | undefined;
  readonly limits?: Partial<ChannelLimits> | undefined;
}

/**
 * The child's own end of `childChannel`, over file descriptors that nothing else uses: take the two
 * of `shieldStdio`, or one two-way pipe as both. It keeps the process running until it is closed.
 */
export function stdioChannel({ read = 4, write = 3, limits }: StdioChannelOptions = {}): Channel {
  const options = { label: `stdio:${read},${write}`, limits, marksEnd: true };
  if (read === write) {
    return new StreamChannel(new Socket({ fd: read, allowHalfOpen: true }), options);
  }
  const output = new Socket({ fd: read, writable: false });
  const input = new Socket({ fd: write, readable: false });
  // A parent that has gone shows on either pipe; a writer alone would not look.
  const pair = new PipePair({ input, output, reason: async () => undefined });
  input.once("close", () => {
    if (!input.writableFinished) pair.destroy();
  });
  return new StreamChannel(pair, options);
}

/** A command and its arguments, for `spawn`. */
export type CommandLine = readonly [command: string, args: readonly string[]];

/** How to start `command` so that it can use `stdioChannel()`. Needs a POSIX shell. */
export function shieldStdio(command: string, args: readonly string[] = []): CommandLine {
  return ["sh", ["-c", `${SHIELD}; exec "$0" "$@"`, command, ...args]];
}

function pipesOf(child: ChildProcess, fd: number | undefined): ProcessPipes {
  if (fd === undefined) {
    const { stdin: input, stdout: output } = child;
    if (input !== null && output !== null) return { input, output };
    throw new TypeError("the child's standard input and output are no pipes");
  }
  const both = child.stdio[fd];
  if (!(both instanceof Socket)) throw new TypeError(`file descriptor ${fd} is no pipe`);
  // Or what is sent in the turn in which the child's end comes is lost.
  both.allowHalfOpen = true;
  return { input: both, output: both };
}
