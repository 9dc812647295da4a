import type { Revision } from "../engine/engine.ts";
import type { Mirror } from "../tree/mirror.ts";
import { ADMIN, BUILT_IN } from "../tree/users/built-in-roles.ts";
import {
  lettersAt,
  type Right,
  RIGHTS,
  type Rights,
  type RoleRights,
  rolesAllow,
} from "../tree/users/rights.ts";
import { readRoleRecord } from "../tree/users/roles.ts";
import { patternsOf } from "../tree/users/run-right.ts";
import type { Path } from "../wire/path.ts";

interface BookedRole {
  readonly rights: RoleRights;
  readonly revision: Revision;
}

/** All roles as they are at the moment, made ready to be asked. */
export class RoleBook {
  readonly #mirror: Mirror;
  readonly #root: Path;
  /** Made from the entry of that revision. */
  readonly #made = new Map<string, BookedRole>();

  constructor(mirror: Mirror) {
    this.#mirror = mirror;
    this.#root = mirror.path;
  }

  /** Undefined for a role that there is none of. */
  get(name: string): BookedRole | undefined {
    const builtIn = BUILT_IN.get(name);
    const entry = builtIn === undefined ? this.#mirror.entry(this.#root.append(name)) : undefined;
    const revision = entry?.revision ?? 0;
    const made = this.#made.get(name);
    if (made?.revision === revision) return made;
    const letters = builtIn ?? readRoleRecord(entry?.value)?.rights;
    if (letters === undefined) {
      this.#made.delete(name);
      return undefined;
    }
    const role = { rights: patternsOf(letters), revision };
    this.#made.set(name, role);
    return role;
  }
}

/** What one user may do, for as long as they stay. */
export class UserRights implements Rights {
  readonly #book: RoleBook;
  readonly #listeners = new Set<{ readonly call: () => void }>();
  #isFull = false;
  #roles: readonly RoleRights[] = [];
  /** Which roles, of which revisions: what has not changed need not be told. */
  #key = "";
  #revision: Revision = 0;

  constructor(book: RoleBook) {
    this.#book = book;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get revision(): Revision {
    return this.#revision;
  }

  /**
   * Follows a change.
   *
   * @param names the user's roles
   * @param revision the write that brought it
   */
  update(names: readonly string[], revision: Revision): void {
    const roles = names.map((name) => ({ name, role: this.#book.get(name) }));
    const key = JSON.stringify(roles.map(({ name, role }) => [name, role?.revision]));
    if (key === this.#key) return;
    this.#key = key;
    this.#isFull = names.includes(ADMIN);
    this.#roles = roles.flatMap(({ role }) => (role === undefined ? [] : [role.rights]));
    this.#revision = roles.reduce(
      (last, { role }) => Math.max(last, role?.revision ?? 0),
      revision,
    );
    for (const { call } of this.#listeners) call();
  }

  allows(right: Right, path: Path, present?: number): boolean {
    return this.#isFull || rolesAllow(this.#roles, right, path, present);
  }

  /** The letters that hold at a path. */
  at(path: Path): string {
    return this.#isFull ? RIGHTS.join("") : lettersAt(this.#roles, path);
  }

  subscribe(listener: () => void): Disposable {
    const entry = { call: listener };
    this.#listeners.add(entry);
    return { [Symbol.dispose]: () => void this.#listeners.delete(entry) };
  }
}
