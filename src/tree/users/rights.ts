import type { Path } from "../../wire/path.ts";
import type { PathPatterns } from "../../wire/path-patterns.ts";
import type { Revision } from "../../engine/engine.ts";
import { SYSTEM } from "../system-paths.ts";

/**
 * What one may do at a path, in DistKV's letters: see the rights there (a), read (r), write what is there
 * (w), write what is not yet there (c), delete (d), go on to what is below (x), list what is below (e),
 * have new things below (n).
 */
export type Right = "a" | "r" | "w" | "c" | "d" | "x" | "e" | "n";

export const RIGHTS: readonly Right[] = ["a", "r", "w", "c", "d", "x", "e", "n"];

/** What each one lets do, for messages. */
export const RIGHT_SAYS: Readonly<Record<Right, string>> = {
  a: "see the rights at",
  r: "read",
  w: "change",
  c: "create",
  d: "delete",
  x: "go below",
  e: "list what is below",
  n: "make something new below",
};

/** The rights that one user has at this moment. */
export interface Rights {
  /** Everything, and what no rights give: users, roles, secrets, the rules on history. */
  readonly isFull: boolean;

  /**
   * @param present how many elements of the path lead to something that is there: below it something
   *   new is made. Default: all of them
   */
  allows(right: Right, path: Path, present?: number): boolean;

  /** The write that last changed them; what was seen before it may be more or less than what may be seen. */
  readonly revision: Revision;

  /** Calls `listener` after each change. */
  subscribe(listener: () => void): Disposable;
}

/** Letters by patterns of paths: what one role gives. */
export type RoleRights = PathPatterns<string>;

/** Whatever it says, a role gives nothing below these: they are for those with full rights. */
const PROTECTED: ReadonlySet<unknown> = new Set(["user", "role", "invite", "audit", "auth"]);
/** What a role gives only where its pattern spells this out: who may read the system's data may not read these. */
const SECRET = "secret";

/**
 * Whether one of the roles alone lets do something: the right at the path itself, and at each one above
 * it the right to go on, `x` where the next one is there and `n` where it is not. What no pattern of a
 * role matches is passed on the way to what one does match, and is no place to do anything at.
 */
export function rolesAllow(
  roles: readonly RoleRights[],
  right: Right,
  path: Path,
  present: number = path.length,
): boolean {
  if (isProtected(path)) return false;
  return roles.some((role) => {
    if (!lettersOf(role, path).includes(right)) return false;
    for (let length = 0; length < path.length; length++) {
      const here = role.find(path.slice(0, length))?.value;
      const onward = length < present ? "x" : "n";
      if (here !== undefined && !here.includes(onward)) return false;
    }
    return true;
  });
}

/** The letters that somebody with these roles has at a path, those to get there left aside. */
export function lettersAt(roles: readonly RoleRights[], path: Path): string {
  if (isProtected(path)) return "";
  const all = roles.map((role) => lettersOf(role, path)).join("");
  return RIGHTS.filter((right) => all.includes(right)).join("");
}

function lettersOf(role: RoleRights, path: Path): string {
  const found = role.find(path);
  if (found === undefined) return "";
  const isSecret = path[0] === SYSTEM && path[1] === SECRET;
  return isSecret && found.pattern[1] !== SECRET ? "" : found.value;
}

function isProtected(path: Path): boolean {
  return path[0] === SYSTEM && PROTECTED.has(path[1]);
}
