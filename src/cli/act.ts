import type { CommandContext } from "./context.ts";
import type { ExitCode } from "./exit-codes.ts";

/** What a command's work gets: its context, then arguments and options as commander gives them. */
type Work<Args extends unknown[]> = (
  context: CommandContext,
  ...args: Args
) => Promise<ExitCode | void>;

interface ActOptions {
  /** Looks at nothing but the flags: for commands that mend the other settings. */
  readonly flagsOnly?: boolean;
}

/** Turns a command's work into commander's action. */
export type Act = <Args extends unknown[]>(
  work: Work<Args>,
  options?: ActOptions,
) => (...args: Args) => Promise<void>;
