/** Code as it is sent: what `compile` makes a function of at the far end. */
export interface Program {
  /**
   * "source": an expression or a function's body; "function": an expression that is one; "module": a body
   * in which imports are awaited and `$out.default` is set.
   */
  readonly form: "source" | "function" | "module";
  readonly text: string;
  /** Names it in stacks. Relative, so that what it imports is looked for where the far side works. */
  readonly file: string;
}

/** What was sent, ready to be run. */
export type Runnable = (channel: unknown, args: readonly unknown[]) => Promise<unknown>;
