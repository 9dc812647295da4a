import type { Clock } from "../base/clock.ts";
import { RemoteError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Engine } from "../engine/engine.ts";
import type { Mirror } from "../tree/mirror.ts";
import { Tree } from "../tree/tree.ts";
import { isPassword, type PasswordHash } from "../tree/users/password.ts";
import { isSameHash, parseToken } from "../tree/users/token.ts";
import { isUserName, readUserRecord, type UserRecord } from "../tree/users/user-record.ts";
import { LoginGate } from "./login-gate.ts";

/** Somebody who was let in. */
export interface Principal {
  readonly name: string;
  readonly roles: readonly string[];
  /** Whether they may not stay any more. */
  readonly gone: boolean;
}

export interface AccessOptions {
  readonly clock: Clock;
  readonly log: Log;
}

/** By what somebody was let in: it has to be there for as long as they stay. */
type Proof =
  | { readonly password: PasswordHash }
  | { readonly token: string; readonly hash: Uint8Array };

interface Guest {
  readonly name: string;
  readonly proof: Proof;
  readonly onEnd: (why: string) => void;
}

/**
 * Who may use a hub over the network: looks at what strangers show, and ends the stay of those who lose
 * what they were let in by. It follows the tree, so that changes hold at once.
 */
export class Access implements AsyncDisposable {
  readonly #tree: Tree;
  readonly #users: Mirror;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #gate: LoginGate;
  readonly #guests = new Set<Guest>();

  private constructor(tree: Tree, users: Mirror, { clock, log }: AccessOptions) {
    this.#tree = tree;
    this.#users = users;
    this.#clock = clock;
    this.#log = log;
    this.#gate = new LoginGate(clock);
    users.subscribe(() => this.check());
  }

  /** `engine` stays the caller's. */
  static async open(engine: Engine, options: AccessOptions): Promise<Access> {
    const tree = Tree.over(engine, { ownsEngine: false, log: options.log });
    const users = await tree.mirror(tree.system.user);
    return new Access(tree, users, options);
  }

  /**
   * Lets somebody in by what they show: `{ user, password }` or `{ token }`. They learn no more than that
   * they were not let in; the log says why.
   *
   * @param onEnd called once, when they lose the right to stay
   * @throws RemoteError `REMOTE_DENIED`
   */
  async login(
    credentials: unknown,
    from: string,
    onEnd: (why: string) => void,
  ): Promise<Principal & Disposable> {
    const found = await this.#find(credentials, from);
    // Much may have changed while the password was looked at.
    const why = typeof found === "string" ? found : this.#whyNot(found.name, found.proof);
    if (typeof found === "string" || why !== undefined) {
      this.#log.warn("a login was refused", { from, why });
      throw new RemoteError("REMOTE_DENIED", "the credentials were not accepted");
    }
    const guest: Guest = { ...found, onEnd };
    this.#guests.add(guest);
    this.#log.info(`${found.name} came`, { from });
    const isHere = (): boolean => this.#guests.has(guest);
    return {
      name: found.name,
      roles: this.#record(found.name)?.roles ?? [],
      get gone() {
        return !isHere();
      },
      [Symbol.dispose]: () => void this.#guests.delete(guest),
    };
  }

  /** Ends the stay of whoever may not stay. Called with each change, and now and then: tokens expire. */
  check(): void {
    // While it begins anew it shows what was; what it finds then is announced.
    if (this.#users.stale) return;
    for (const guest of this.#guests) {
      const why = this.#whyNot(guest.name, guest.proof);
      if (why === undefined) continue;
      this.#guests.delete(guest);
      this.#log.info(`${guest.name} has to go`, { why });
      guest.onEnd(why);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tree.close();
  }

  /** Who it is; or why that is not known, for the log. */
  async #find(
    credentials: unknown,
    from: string,
  ): Promise<{ name: string; proof: Proof } | string> {
    const { user, password, token } = Object(credentials) as Readonly<Record<string, unknown>>;
    if (token !== undefined) return this.#byToken(token, from);
    if (typeof user === "string" && typeof password === "string") {
      let why = "too many attempts";
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

  #byToken(text: unknown, from: string): { name: string; proof: Proof } | string {
    const token = parseToken(text);
    for (const { name, record } of token === undefined ? [] : this.#all()) {
      const stored = record.tokens[token?.id ?? ""];
      if (stored === undefined || token === undefined || !isSameHash(stored.hash, token.hash))
        continue;
      return { name, proof: { token: token.id, hash: stored.hash } };
    }
    // Nobody can guess one; but whoever tries may as well wait for the next password.
    this.#gate.failed(from);
    return "no such token";
  }

  /** Why somebody may not be here by that proof; undefined where they may. */
  #whyNot(name: string, proof: Proof): string | undefined {
    const record = this.#record(name);
    if (record === undefined) return `there is no user ${name}`;
    if (record.disabled) return `${name} is disabled`;
    if (!record.roles.includes("admin")) return `${name} has no role`;
    if ("password" in proof) {
      const now = record.password;
      const isSame = now !== undefined && isSameHash(now.hash, proof.password.hash);
      return isSame ? undefined : `${name} has another password`;
    }
    const token = record.tokens[proof.token];
    if (token === undefined || !isSameHash(token.hash, proof.hash)) return "the token was removed";
    const { expires = Infinity } = token;
    return expires <= this.#clock.wall() ? "the token has expired" : undefined;
  }

  #record(name: string): UserRecord | undefined {
    if (!isUserName(name)) return undefined;
    return readUserRecord(this.#users.entry(this.#tree.system.user.append(name))?.value);
  }

  *#all(): Generator<{ name: string; record: UserRecord }> {
    for (const name of this.#users.children()) {
      const record = typeof name === "string" ? this.#record(name) : undefined;
      if (typeof name === "string" && record !== undefined) yield { name, record };
    }
  }
}
