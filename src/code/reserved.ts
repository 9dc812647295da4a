/** Names that the rewriting of code uses start with this, and nobody else's may. */
export const RESERVED = "$t$";

/** What code sees without declaring it: a job's run gives all of them, any call `_args`. */
export const GIVEN_NAMES = [
  "_args",
  "_cfg",
  "_client",
  "_cls",
  "_entry",
  "_info",
  "_log",
  "_P",
  "_Path",
  "_self",
] as const;

export type GivenName = (typeof GIVEN_NAMES)[number];
