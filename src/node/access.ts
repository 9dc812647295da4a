import type { Clock } from "../base/clock.ts";
import { EngineError, RemoteError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Engine, Revision, RunRefusal } from "../engine/engine.ts";
import type { SecretKeys } from "../tree/secrets/secret-keys.ts";
import type { Mirror } from "../tree/mirror.ts";
import { Tree } from "../tree/tree.ts";
import type { GuardedUser, Refusal } from "../tree/users/guarded-engine.ts";
import { type LoginMethod, readLoginMethods } from "../tree/users/login-methods.ts";
import { isPassword, type PasswordHash } from "../tree/users/password.ts";
import { rightsTopic, whyNotByRoles } from "../tree/users/run-right.ts";
import { isSameHash, parseToken } from "../tree/users/token.ts";
import { isUserName, readUserRecord, type UserRecord } from "../tree/users/user-record.ts";
import { Audit } from "./audit.ts";
import { RIGHT_SAYS, type Right } from "../tree/users/rights.ts";
import { encodeTreeValue } from "../tree/entry.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Path } from "../wire/path.ts";
import { decodeValue } from "../wire/value.ts";
import { LoginGate } from "./login-gate.ts";
import { RoleBook, UserRights } from "./user-rights.ts";

/** Somebody who was let in, until they are disposed of. */
export interface Principal extends GuardedUser, Disposable {
  /** Whether they may not stay any more. */
  readonly gone: boolean;
}

export interface AccessOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** What users read and write secrets with who may. */
  readonly secretKeys?: SecretKeys | undefined;
}

interface Mirrors {
  readonly users: Mirror;
  readonly roles: Mirror;
  readonly methods: Mirror;
}

function notBy(method: LoginMethod): string {
  return `nobody is let in by ${method} here`;
}

/** By what somebody was let in: it has to be there for as long as they stay. */
type Proof =
  | { readonly password: PasswordHash }
  | { readonly token: string; readonly hash: Uint8Array };

interface Identity {
  readonly name: string;
  readonly proof: Proof;
}

interface Guest extends Identity {
  proof: Proof;
  /** They are about to have another password. */
  changing: boolean;
  readonly from: string;
  readonly rights: UserRights;
  readonly onEnd: (why: string) => void;
}

/**
 * Who may use a hub over the network, and what they may do there: looks at what strangers show, and ends
 * the stay of those who lose what they were let in by. It follows the tree, so that changes hold at once.
 */
export class Access implements AsyncDisposable {
  readonly #tree: Tree;
  readonly #users: Mirror;
  readonly #roles: RoleBook;
  readonly #methods: Mirror;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #gate: LoginGate;
  readonly #guests = new Set<Guest>();
  readonly #audit: Audit;
  readonly #secretKeys: SecretKeys | undefined;

  private constructor(tree: Tree, { users, roles, methods }: Mirrors, options: AccessOptions) {
    const { clock, log } = options;
    this.#secretKeys = options.secretKeys;
    this.#tree = tree;
    this.#users = users;
    this.#roles = new RoleBook(roles);
    this.#methods = methods;
    this.#clock = clock;
    this.#log = log;
    this.#gate = new LoginGate(clock);
    this.#audit = new Audit(tree, { clock, log });
    for (const mirror of [users, roles, methods]) {
      mirror.subscribe(({ revision, stale }) => {
        // While it begins anew it shows what was; what it finds then is announced.
        if (!stale) this.#follow(revision);
        if (!stale && mirror !== methods) this.#announce(revision);
      });
    }
  }

  /** `engine` stays the caller's. */
  static async open(engine: Engine, options: AccessOptions): Promise<Access> {
    const { log, secretKeys } = options;
    const tree = Tree.over(engine, { ownsEngine: false, author: "hub", log, secretKeys });
    const { user, role, auth } = tree.system;
    const [users, roles, methods] = await Promise.all([
      tree.mirror(user),
      tree.mirror(role),
      tree.mirror(auth),
    ]);
    return new Access(tree, { users, roles, methods }, options);
  }

  /**
   * Lets somebody in by what they show: `{ user, password }` or `{ token }`. They learn no more than that
   * they were not let in; the log says why.
   *
   * @param onEnd called once, when they lose the right to stay
   * @throws RemoteError `REMOTE_DENIED`; `REMOTE_LIMIT` where too many try from there at once
   */
  async login(
    credentials: unknown,
    from: string,
    onEnd: (why: string) => void,
  ): Promise<Principal> {
    const found = await this.#find(credentials, from);
    // Much may have changed while the password was looked at.
    const why = typeof found === "string" ? found : this.#whyNot(found);
    if (typeof found === "string" || why !== undefined) {
      this.#log.warn("a login was refused", { from, why });
      const user = typeof found === "string" ? undefined : found.name;
      this.#audit.note({ user, from, operation: "login", why: why ?? "" });
      throw new RemoteError("REMOTE_DENIED", "the credentials were not accepted");
    }
    const rights = new UserRights(this.#roles);
    const guest: Guest = { ...found, changing: false, from, rights, onEnd };
    this.#updateRights(guest, this.#entry(found.name)?.revision ?? 0);
    this.#guests.add(guest);
    this.#log.info(`${found.name} came`, { from });
    return this.#principal(guest);
  }

  /** By what users are let in; the same for all, and no secret. */
  get methods(): readonly LoginMethod[] {
    return readLoginMethods(this.#methods.get(this.#methods.path));
  }

  /** Ends the stay of whoever may not stay. Called now and then, too: tokens expire. */
  check(): void {
    for (const guest of this.#guests) {
      const why = this.#whyNot(guest);
      if (why === undefined) continue;
      this.#guests.delete(guest);
      this.#log.info(`${guest.name} has to go`, { why });
      guest.onEnd(why);
    }
  }

  /** Keeps that something was refused to somebody who was let in. */
  refused({ user, operation, right, path }: Refusal, from: string): void {
    const why = right === undefined ? "admins only" : `no right ${right}`;
    this.#audit.note({ user, from, operation, path, why });
  }

  /** Writes what was refused until now. */
  flush(): Promise<void> {
    return this.#audit.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#audit[Symbol.asyncDispose]();
    await this.#tree.close();
  }

  #follow(revision: Revision): void {
    this.check();
    for (const guest of this.#guests) this.#updateRights(guest, revision);
  }

  /** To machines with jobs that they may not start: they can't read who may do what. */
  #announce(revision: Revision): void {
    this.#tree.publish(rightsTopic(this.#tree), revision).catch((error: unknown) => {
      this.#log.debug("a change of rights was not announced", { error: String(error) });
    });
  }

  #updateRights(guest: Guest, revision: Revision): void {
    guest.rights.update(this.#record(guest.name)?.roles ?? [], revision);
  }

  #principal(guest: Guest): Principal {
    const { name, rights } = guest;
    const isHere = (): boolean => this.#guests.has(guest);
    const rolesNow = (): readonly string[] => this.#record(name)?.roles ?? [];
    return {
      name,
      rights,
      codecs: this.#record(name)?.codecs,
      account: {
        whoami: async () => ({ name, roles: rolesNow() }),
        rights: async (path) => rights.at(path),
        changePassword: (old, password) => this.#changePassword(guest, old, password),
        ...this.#secretsOf(guest),
        whyNotRun: (user, code) => this.#whyNotRun(guest, user, code),
      },
      get gone() {
        return !isHere();
      },
      [Symbol.dispose]: () => void this.#guests.delete(guest),
    };
  }

  #check({ name, rights, from }: Guest, operation: string, right: Right, path: Path): void {
    if (rights.isFull || rights.allows(right, path)) return;
    this.refused({ user: name, operation, right, path }, from);
    const says = `${name} may not ${RIGHT_SAYS[right]} ${formatPath(path)}`;
    throw new EngineError("ENGINE_DENIED", says, { details: { path, right } });
  }

  /** Who runs code for others has to be able to read it. */
  async #whyNotRun(guest: Guest, user: unknown, code: Path): Promise<RunRefusal | undefined> {
    if (typeof user !== "string") throw new TypeError("a user is text");
    this.#check(guest, "whyNotRun", "r", this.#tree.system.proc.concat(code));
    return whyNotByRoles(this.#tree, user, code);
  }

  /** Secrets as somebody may use them: the key is the hub's. */
  #secretsOf(guest: Guest): Pick<GuardedUser["account"], "readSecret" | "writeSecret"> {
    const { name, rights } = guest;
    const check = this.#check.bind(this, guest);
    const { engine, system, secrets } = this.#tree;
    const secretKeys = this.#secretKeys;
    const own = Tree.over(engine, { ownsEngine: false, author: name, secretKeys });
    return {
      readSecret: async (at) => {
        check("readSecret", "r", system.secret.concat(at));
        const value = await secrets.get(at);
        return value === undefined ? undefined : encodeTreeValue(value);
      },
      writeSecret: async (at, bytes) => {
        const path = system.secret.concat(at);
        const isNew = rights.isFull || (await engine.get(path)) === undefined;
        check("writeSecret", isNew ? "c" : "w", path);
        await own.secrets.set(at, decodeValue(bytes));
      },
    };
  }

  async #changePassword(guest: Guest, old: string, password: string): Promise<void> {
    const { name, from } = guest;
    if (typeof old !== "string") throw new TypeError("a password is text");
    const isRight = await this.#gate.attempt(from, async () => {
      const stored = this.#record(name)?.password;
      return (await isPassword(old, stored)) ? true : undefined;
    });
    if (isRight !== true) {
      this.#log.warn("a change of password was refused", { from, user: name });
      const why = "the old password was wrong";
      this.#audit.note({ user: name, from, operation: "changePassword", why });
      throw new EngineError("ENGINE_DENIED", "the old password was not accepted");
    }
    guest.changing = true;
    try {
      await this.#tree.users.set(name, { password });
      const now = readUserRecord(await this.#tree.get(this.#pathOf(name)))?.password;
      if ("password" in guest.proof && now !== undefined) guest.proof = { password: now };
    } finally {
      guest.changing = false;
    }
    this.#log.info(`${name} has a new password`, { from });
  }

  /** Who it is; or why that is not known, for the log. */
  async #find(credentials: unknown, from: string): Promise<Identity | string> {
    const { user, password, token } = Object(credentials) as Readonly<Record<string, unknown>>;
    if (token !== undefined) return this.#byToken(token, from);
    if (typeof user === "string" && typeof password === "string") {
      if (!this.methods.includes("password")) return notBy("password");
      let why = "";
      const proof = await this.#gate.attempt(from, async () => {
        const stored = this.#record(user)?.password;
        if (await isPassword(password, stored)) return stored && { password: stored };
        // An unknown name is not logged: some type their password there.
        why =
          stored === undefined
            ? "no such user, or none with a password"
            : `wrong password of ${user}`;
        return undefined;
      });
      return proof === undefined ? why : { name: user, proof };
    }
    return credentials === undefined ? "no credentials" : "the credentials make no sense";
  }

  #byToken(text: unknown, from: string): Identity | string {
    const token = parseToken(text);
    for (const { name, record } of token === undefined ? [] : this.#all()) {
      const stored = record.tokens[token?.id ?? ""];
      if (stored === undefined || token === undefined || !isSameHash(stored.hash, token.hash)) {
        continue;
      }
      return { name, proof: { token: token.id, hash: stored.hash } };
    }
    // Nobody can guess one; but whoever tries may as well wait for the next password.
    this.#gate.failed(from);
    return "no such token";
  }

  /** Why somebody may not be here by that proof; undefined where they may. */
  #whyNot({
    name,
    proof,
    changing = false,
  }: Identity & { changing?: boolean }): string | undefined {
    const record = this.#record(name);
    if (record === undefined) return `there is no user ${name}`;
    if (record.disabled) return `${name} is disabled`;
    const method = "password" in proof ? "password" : "token";
    // A machine that has joined has nothing but its token.
    if (record.kind !== "node" && !this.methods.includes(method)) return notBy(method);
    return this.#whyOutdated(record, { name, proof, changing });
  }

  /** Why what they showed does not hold any more. */
  #whyOutdated(
    record: UserRecord,
    { name, proof, changing }: Identity & { changing: boolean },
  ): string | undefined {
    if ("password" in proof) {
      const now = record.password;
      const isSame = changing || (now !== undefined && isSameHash(now.hash, proof.password.hash));
      return isSame ? undefined : `${name} has another password`;
    }
    const token = record.tokens[proof.token];
    if (token === undefined || !isSameHash(token.hash, proof.hash)) return "the token was removed";
    const { expires = Infinity } = token;
    return expires <= this.#clock.wall() ? "the token has expired" : undefined;
  }

  #record(name: string): UserRecord | undefined {
    return readUserRecord(this.#entry(name)?.value);
  }

  #entry(name: string): ReturnType<Mirror["entry"]> {
    return isUserName(name) ? this.#users.entry(this.#pathOf(name)) : undefined;
  }

  #pathOf(name: string): ReturnType<Mirror["path"]["append"]> {
    return this.#tree.system.user.append(name);
  }

  *#all(): Generator<{ name: string; record: UserRecord }> {
    for (const name of this.#users.children()) {
      const record = typeof name === "string" ? this.#record(name) : undefined;
      if (typeof name === "string" && record !== undefined) yield { name, record };
    }
  }
}
