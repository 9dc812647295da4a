/** What became of one side of an entry since both were in step. */
type Change = "added" | "changed" | "removed";

/** How the two sides of an entry stand to each other. */
export interface Standing {
  /** What changed in the directory. */
  readonly here: Change | undefined;
  /** What changed in the tree. */
  readonly there: Change | undefined;
}

/** The digests of an entry, undefined where it is not. */
export interface Digests {
  /** When they were last in step. */
  readonly base: string | undefined;
  readonly here: string | undefined;
  readonly there: string | undefined;
}

/**
 * What changed on which side. Neither where both are the same now, however they came to be; both is a
 * conflict.
 */
export function standingOf({ base, here, there }: Digests): Standing {
  if (here === there) return { here: undefined, there: undefined };
  return { here: change(base, here), there: change(base, there) };
}

export function isInStep({ here, there }: Standing): boolean {
  return here === undefined && there === undefined;
}

export function isConflict({ here, there }: Standing): boolean {
  return here !== undefined && there !== undefined;
}

function change(before: string | undefined, now: string | undefined): Change | undefined {
  if (before === now) return undefined;
  if (before === undefined) return "added";
  return now === undefined ? "removed" : "changed";
}
