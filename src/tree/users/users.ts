import type { AbortOptions } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { BanyanError, EngineError, TreeError } from "../../base/errors.ts";
import { checkOptions, type OptionNames } from "../../base/options.ts";
import { formatPath, toPath } from "../../wire/path-text.ts";
import type { PathLike } from "../../wire/path.ts";
import { contend } from "../contend.ts";
import type { TreeEntry } from "../entry.ts";
import type { Tree } from "../tree.ts";
import { checkLoginMethods, type LoginMethod, readLoginMethods } from "./login-methods.ts";
import { hashPassword } from "./password.ts";
import { readRefused, type Refused } from "./refused.ts";
import { RIGHTS, type Right } from "./rights.ts";
import { newToken, parseToken } from "./token.ts";
import {
  checkUserName,
  noUser,
  readUserRecord,
  toUser,
  type User,
  type UserKind,
  type UserRecord,
} from "./user-record.ts";

export interface NewUser {
  /** Default "user"; "node" for a machine that runs jobs. */
  readonly kind?: UserKind | undefined;
  /** Default: none, which lets them do nothing. */
  readonly roles?: readonly string[] | undefined;
  readonly password?: string | undefined;
  /** The text of a token that lets them in, made by who shows it: they can tell whether they were added. */
  readonly token?: string | undefined;
  /** The set of conversions that holds for what they read and write. */
  readonly codecs?: string | undefined;
}

export interface UserChange {
  readonly roles?: readonly string[] | undefined;
  /** A new one; null: none, so that only tokens let them in. */
  readonly password?: string | null | undefined;
  /** For sessions to come; null: values as they are. */
  readonly codecs?: string | null | undefined;
  /** Keeps them out, and ends the sessions they have. */
  readonly disabled?: boolean | undefined;
}

export interface TokenOptions {
  /** How long it holds, in milliseconds. Default: until it is taken away. */
  readonly forMs?: number | undefined;
  /** What it is for; for people. */
  readonly note?: string | undefined;
}

const NEW_USER: OptionNames<NewUser> = {
  kind: true,
  roles: true,
  password: true,
  token: true,
  codecs: true,
};
const USER_CHANGE: OptionNames<UserChange> = {
  roles: true,
  password: true,
  codecs: true,
  disabled: true,
};
const TOKEN_OPTIONS: OptionNames<TokenOptions> = { forMs: true, note: true };

/** Of one user; each is looked at with every login. */
const MAX_TOKENS = 64;

/**
 * Who may use the tree over a network: `tree.users`. Whoever can open the tree's folder needs no user
 * and has every right, these included. What is changed here holds at once, for open sessions too.
 */
export class Users {
  readonly #tree: Tree;
  readonly #clock: Clock;

  constructor(tree: Tree, clock: Clock) {
    this.#tree = tree;
    this.#clock = clock;
  }

  /** @throws TreeError `TREE_EXISTS`; TypeError, RangeError for a name or a password that can't be */
  async add(name: string, options: NewUser = {}): Promise<User> {
    checkOptions(options, NEW_USER, "users.add");
    const record: UserRecord = {
      kind: checkKind(options.kind ?? "user"),
      roles: checkRoles(options.roles ?? []),
      disabled: false,
      created: this.#clock.wall(),
      tokens: tokensOf(options.token, this.#clock.wall()),
      ...(options.codecs === undefined ? {} : { codecs: options.codecs }),
      ...(options.password === undefined ? {} : { password: await hashPassword(options.password) }),
    };
    try {
      await this.#tree.set(this.#path(name), record, { onlyNew: true });
    } catch (error) {
      if (!BanyanError.has(error, "TREE_EXISTS")) throw error;
      throw new TreeError("TREE_EXISTS", `there is a user ${JSON.stringify(name)} already`, {
        cause: error,
      });
    }
    return toUser(name, record);
  }

  async get(name: string, options: AbortOptions = {}): Promise<User | undefined> {
    const record = readUserRecord(await this.#tree.get(this.#path(name), options));
    return record && toUser(name, record);
  }

  /** All of them, by name. */
  async list(options: AbortOptions = {}): Promise<User[]> {
    const users: User[] = [];
    for (const { name, entry } of await this.#tree
      .list(this.#tree.system.user, options)
      .toArray()) {
      const record = readUserRecord(entry?.value);
      if (record !== undefined && typeof name === "string") users.push(toUser(name, record));
    }
    return users;
  }

  /** @throws TreeError `TREE_NO_USER` */
  async set(name: string, change: UserChange): Promise<User> {
    checkOptions(change, USER_CHANGE, "users.set");
    const { roles, disabled, password, codecs } = change;
    const hash = typeof password === "string" ? await hashPassword(password) : undefined;
    return this.#change(name, ({ password: before, codecs: set, ...record }) => {
      const kept = password === undefined ? before : hash;
      const converted = codecs === undefined ? set : (codecs ?? undefined);
      return {
        ...record,
        ...(converted === undefined ? {} : { codecs: converted }),
        ...(roles === undefined ? {} : { roles: checkRoles(roles) }),
        ...(disabled === undefined ? {} : { disabled }),
        ...(kept === undefined ? {} : { password: kept }),
      };
    });
  }

  /** @returns whether there was one */
  async remove(name: string): Promise<boolean> {
    return (await this.#tree.delete(this.#path(name))).changed;
  }

  /**
   * One more way in for a user, for programs and machines. Its text is given this once.
   *
   * @throws TreeError `TREE_NO_USER`
   */
  async addToken(name: string, options: TokenOptions = {}): Promise<{ id: string; token: string }> {
    checkOptions(options, TOKEN_OPTIONS, "users.addToken");
    const { forMs, note } = options;
    if (forMs !== undefined && !(forMs > 0)) throw new RangeError("forMs is more than 0");
    const { id, text, hash } = newToken();
    const created = this.#clock.wall();
    const expires = forMs === undefined ? undefined : created + forMs;
    await this.#change(name, (record) => {
      if (Object.keys(record.tokens).length >= MAX_TOKENS) {
        throw new RangeError(`a user has ${MAX_TOKENS} tokens at most; remove old ones`);
      }
      const token = {
        hash,
        created,
        ...(expires === undefined ? {} : { expires }),
        ...(note === undefined ? {} : { note }),
      };
      return { ...record, tokens: { ...record.tokens, [id]: token } };
    });
    return { id, token: text };
  }

  /** Ends the sessions that were opened with it. @returns whether there was one */
  async removeToken(name: string, id: string): Promise<boolean> {
    let found = false;
    await this.#change(name, (record) => {
      const { [id]: token, ...others } = record.tokens;
      found = token !== undefined;
      return { ...record, tokens: others };
    });
    return found;
  }

  /** By what users may say who they are: all methods, unless it was set otherwise. */
  async loginMethods(options: AbortOptions = {}): Promise<readonly LoginMethod[]> {
    return readLoginMethods(await this.#tree.get(this.#tree.system.auth, options));
  }

  /**
   * Lets users in by these methods alone, and ends the sessions that were opened by another.
   *
   * @throws TypeError, RangeError for what is no list of methods, and for none at all
   */
  async setLoginMethods(methods: readonly LoginMethod[]): Promise<void> {
    await this.#tree.set(this.#tree.system.auth, { methods: checkLoginMethods(methods) });
  }

  /** Who this is, for a tree that is used over a network; undefined for one where that does not matter. */
  async me(): Promise<{ readonly name: string; readonly roles: readonly string[] } | undefined> {
    return this.#tree.engine.account?.whoami();
  }

  /** What was refused to users and strangers, the latest first: the last 1,000. For admins. */
  async refused(options: AbortOptions = {}): Promise<Refused[]> {
    const entries = await this.#tree.list(this.#tree.system.audit, options).toArray();
    const all = entries.flatMap(({ entry }) => readRefused(entry?.value) ?? []);
    return all.toSorted((a, b) => b.last - a.last);
  }

  /** The letters of the rights that hold for this user at a path: "arwcdxen" are all. */
  async rights(path: PathLike): Promise<string> {
    const at = toPath(path);
    return (await this.#tree.engine.account?.rights(at)) ?? RIGHTS.join("");
  }

  /**
   * For what this program does with what it has read, as calling a procedure: who may not must not.
   *
   * @throws EngineError `ENGINE_DENIED` where this user has no such right at the path
   */
  async demand(right: Right, path: PathLike): Promise<void> {
    const at = toPath(path);
    const { account } = this.#tree.engine;
    if (account === undefined || (await account.rights(at)).includes(right)) return;
    const says = `you have no right "${right}" at ${formatPath(at)}`;
    throw new EngineError("ENGINE_DENIED", says, { details: { path: at, right } });
  }

  /**
   * Gives this user another password, and ends the other sessions that were opened with the old one.
   *
   * @throws EngineError `ENGINE_DENIED` where the old one is wrong; TypeError where this is nobody;
   *   RangeError for one that can't be
   */
  async changePassword(old: string, password: string): Promise<void> {
    const { account } = this.#tree.engine;
    if (account === undefined) {
      throw new TypeError("this tree is not used over a network, and nobody has a password here");
    }
    return account.changePassword(old, password);
  }

  /** Reads, changes and writes, anew where somebody else was faster. */
  async #change(name: string, change: (record: UserRecord) => UserRecord): Promise<User> {
    const path = this.#path(name);
    return contend(async () => {
      const entry: TreeEntry | undefined = await this.#tree.entry(path);
      const record = readUserRecord(entry?.value);
      if (entry === undefined || record === undefined) throw noUser(name);
      const { password, ...rest } = change(record);
      const stored: UserRecord = password === undefined ? rest : { ...rest, password };
      await this.#tree.set(path, stored, { ifRevision: entry.revision });
      return toUser(name, stored);
    });
  }

  #path(name: string): ReturnType<Tree["system"]["user"]["append"]> {
    checkUserName(name, "a user's name");
    return this.#tree.system.user.append(name);
  }
}

function tokensOf(text: string | undefined, created: number): UserRecord["tokens"] {
  if (text === undefined) return {};
  const token = parseToken(text);
  if (token === undefined) throw new TypeError("that is no text of a token");
  return { [token.id]: { hash: token.hash, created } };
}

function checkKind(kind: unknown): UserKind {
  if (kind === "user" || kind === "node") return kind;
  throw new TypeError('the kind of a user is "user" or "node"');
}

function checkRoles(roles: readonly unknown[]): string[] {
  if (!Array.isArray(roles)) throw new TypeError("roles are a list of names");
  return [...new Set(roles as unknown[])].map((role) => {
    checkUserName(role, "a role's name");
    return role;
  });
}
