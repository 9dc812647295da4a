/** One thing to take out of a file of the sources. */
interface Mutation {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const FILES: readonly string[];
export const MORE: readonly Mutation[];
export const EQUIVALENT: readonly string[];
