import type { AbortOptions } from "../../base/abort.ts";
import { PathPatterns } from "../../wire/path-patterns.ts";
import { parsePath } from "../../wire/path-text.ts";
import type { Path } from "../../wire/path.ts";
import type { RunRefusal } from "../../engine/engine.ts";
import { SYSTEM } from "../system-paths.ts";
import type { Tree } from "../tree.ts";
import { ADMIN } from "./built-in-roles.ts";
import { type RoleRights, rolesAllow } from "./rights.ts";
import { isUserName } from "./user-record.ts";

/** Of this topic the hub sends a message with every change of users and roles. */
export function rightsTopic(tree: Tree): Path {
  return tree.system.root.append("rights");
}

/**
 * Why code must not be run on behalf of a user at this moment; undefined where it may. Who uses the tree
 * over a network asks the hub; who has the tree's folder finds it in the tree.
 *
 * @param code a procedure's path, as in a job
 */
export async function whyNotRun(
  tree: Tree,
  user: string,
  code: Path,
  options: AbortOptions = {},
): Promise<RunRefusal | undefined> {
  const { account } = tree.engine;
  if (account !== undefined) return account.whyNotRun(user, code);
  return whyNotByRoles(tree, user, code, options);
}

/** For the hub, and whoever else may read users and roles. */
export async function whyNotByRoles(
  tree: Tree,
  user: string,
  code: Path,
  options: AbortOptions = {},
): Promise<RunRefusal | undefined> {
  const known = isUserName(user) ? await tree.users.get(user, options) : undefined;
  if (known === undefined) return "removed";
  if (known.disabled) return "disabled";
  if (known.roles.includes(ADMIN)) return undefined;
  const roles = await Promise.all(known.roles.map((name) => tree.roles.get(name, options)));
  const rights = roles.flatMap((role) => (role === undefined ? [] : [patternsOf(role.rights)]));
  return rolesAllow(rights, "x", tree.system.proc.concat(code)) ? undefined : "right";
}

/** The letters of a role, made ready to be asked. */
export function patternsOf(letters: Readonly<Record<string, string>>): RoleRights {
  const patterns: RoleRights = new PathPatterns(SYSTEM);
  for (const [text, rights] of Object.entries(letters)) patterns.set(parsePath(text), rights);
  return patterns;
}
