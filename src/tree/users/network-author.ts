import { isUserName } from "./user-record.ts";

/**
 * Whoever sets a job answers for it, for as long as it is there. The guard ends the author of such an
 * entry with this, so that a name that somebody with the tree's folder gives themselves is nobody's here.
 */
const MARK = " over the network";

/** The author of a job that a user sets, and on whose behalf. */
export function networkAuthor(author: string): string {
  return `${author}${MARK}`;
}

/** The user who set a job; undefined where it was the tree's owner. */
export function networkUser(author: string): string | undefined {
  if (!author.endsWith(MARK)) return undefined;
  const name = author.slice(0, -MARK.length).split(" ", 1)[0] ?? "";
  // What the guard writes begins with one. What was made up is nobody's, who may do nothing.
  return isUserName(name) ? name : "?";
}
