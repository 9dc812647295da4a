import type { AbortOptions } from "../../base/abort.ts";
import { TreeError } from "../../base/errors.ts";
import { kindOf } from "../../base/kind-of.ts";
import { formatPath, parsePath, toPath } from "../../wire/path-text.ts";
import type { Path, PathLike } from "../../wire/path.ts";
import { contend } from "../contend.ts";
import type { Tree } from "../tree.ts";
import { BUILT_IN } from "./built-in-roles.ts";
import { RIGHTS, type Right } from "./rights.ts";
import { checkUserName } from "./user-record.ts";

/** What a role lets do: letters, by patterns of paths. */
export interface Role {
  readonly name: string;
  /** One that is always there, and can't be changed. */
  readonly builtIn: boolean;
  /** By the text of the pattern. */
  readonly rights: Readonly<Record<string, string>>;
}

/** What an entry `.banyan.role.<name>` holds. */
export interface RoleRecord {
  readonly rights: Readonly<Record<string, string>>;
}

/**
 * What users may do, by name: `tree.roles`. A role gives rights to patterns of paths; of those that match
 * a path the most specific one alone holds. Somebody with several roles may do what any one of them
 * lets them do. Changes hold at once.
 */
export class Roles {
  readonly #tree: Tree;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /**
   * Gives the letters of `rights` to a pattern, in the place of those it had; makes the role if there is
   * none. No letters take away what a wider pattern gives.
   *
   * @throws WireError `WIRE_BAD_PATH`; RangeError for letters that are no rights, and for built-in roles
   */
  async set(name: string, pattern: PathLike, rights: string): Promise<Role> {
    const letters = checkRights(rights);
    const text = formatPath(toPath(pattern));
    return this.#change(name, (before) => ({ ...before, [text]: letters }));
  }

  /** Takes a pattern away; wider ones hold for what it matched. @returns whether there was one */
  async unset(name: string, pattern: PathLike): Promise<boolean> {
    const text = formatPath(toPath(pattern));
    let found = false;
    if ((await this.get(name)) === undefined) return false;
    await this.#change(name, (before) => {
      const { [text]: letters, ...others } = before;
      found = letters !== undefined;
      return others;
    });
    return found;
  }

  async get(name: string, options: AbortOptions = {}): Promise<Role | undefined> {
    const builtIn = BUILT_IN.get(name);
    if (builtIn !== undefined) return { name, builtIn: true, rights: builtIn };
    const record = readRoleRecord(await this.#tree.get(this.#path(name), options));
    return record && { name, builtIn: false, rights: record.rights };
  }

  /** All of them, the built-in ones first. */
  async list(options: AbortOptions = {}): Promise<Role[]> {
    const roles: Role[] = [];
    for (const [name, rights] of BUILT_IN) roles.push({ name, builtIn: true, rights });
    for (const { name, entry } of await this.#tree
      .list(this.#tree.system.role, options)
      .toArray()) {
      const record = readRoleRecord(entry?.value);
      if (record === undefined || typeof name !== "string" || BUILT_IN.has(name)) continue;
      roles.push({ name, builtIn: false, rights: record.rights });
    }
    return roles;
  }

  /** Users who have it lose what it let them do. @returns whether there was one */
  async remove(name: string): Promise<boolean> {
    return (await this.#tree.delete(this.#path(name))).changed;
  }

  async #change(
    name: string,
    change: (rights: Readonly<Record<string, string>>) => Readonly<Record<string, string>>,
  ): Promise<Role> {
    const path = this.#path(name);
    return contend(async () => {
      const entry = await this.#tree.entry(path);
      const rights = change(readRoleRecord(entry?.value)?.rights ?? {});
      await this.#tree.set(path, { rights }, { ifRevision: entry?.revision ?? 0 });
      return { name, builtIn: false, rights };
    });
  }

  #path(name: string): Path {
    checkUserName(name, "a role's name");
    if (BUILT_IN.has(name)) {
      throw new TreeError("TREE_EXISTS", `${name} is a built-in role, which can't be changed`);
    }
    return this.#tree.system.role.append(name);
  }
}

/** What is stored; undefined for what is no such record. Patterns that make no sense give nothing. */
export function readRoleRecord(value: unknown): RoleRecord | undefined {
  const { rights } = Object(value) as Partial<RoleRecord>;
  if (typeof rights !== "object" || rights === null) return undefined;
  const usable = Object.entries(rights).filter(
    ([pattern, letters]) => typeof letters === "string" && isPath(pattern),
  );
  return { rights: Object.fromEntries(usable) };
}

/** @throws RangeError for what are no rights */
function checkRights(rights: unknown): string {
  if (typeof rights !== "string") throw new TypeError(`rights are letters, not ${kindOf(rights)}`);
  const wrong = rights.split("").find((letter) => !RIGHTS.includes(letter as Right));
  if (wrong !== undefined) {
    const all = RIGHTS.join("");
    throw new RangeError(`${JSON.stringify(wrong)} is no right; rights are letters of "${all}"`);
  }
  return RIGHTS.filter((right) => rights.includes(right)).join("");
}

function isPath(text: string): boolean {
  try {
    parsePath(text);
    return true;
  } catch {
    return false;
  }
}
