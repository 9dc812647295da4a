import type { CommandContext } from "./context.ts";
import type { ExitCode } from "./exit-codes.ts";

/** What a command's work gets: its context, then arguments and options as commander gives them. */
type Work<Args extends unknown[]> = (
  context: CommandContext,
  ...args: Args
) => Promise<ExitCode | void>;

/** Turns a command's work into commander's action. */
export type Act = <Args extends unknown[]>(work: Work<Args>) => (...args: Args) => Promise<void>;
