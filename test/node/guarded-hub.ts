import { memoryChannelPair } from "../../src/channel/memory.ts";
import { systemClock, type Clock } from "../../src/base/clock.ts";
import { EngineError, RemoteError } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/log.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { HubEngine } from "../../src/engine/hub-client.ts";
import { serveEngine } from "../../src/engine/hub-server.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { Access, type Principal } from "../../src/node/access.ts";
import {
  openSession,
  openSessionWith,
  type Session,
  type SessionOptions,
} from "../../src/remote/session.ts";
import { Tree } from "../../src/tree/tree.ts";
import type { SecretKeys } from "../../src/tree/secrets/secret-keys.ts";
import type { Refused } from "../../src/tree/users/refused.ts";
import { GuardedEngine, type Refusal } from "../../src/tree/users/guarded-engine.ts";

/** A hub in this process whose clients are users, each over a pair of channels in memory. */
export class GuardedHub implements AsyncDisposable {
  readonly engine: Engine;
  /** As whoever owns the tree sees it. */
  readonly owner: Tree;
  readonly refusals: Refusal[] = [];
  readonly log: string[] = [];
  readonly #access: Access;
  readonly #ownsEngine: boolean;
  readonly #sessions: Session[] = [];
  readonly #clients: Engine[] = [];

  private constructor(engine: Engine, access: Access, log: string[], ownsEngine: boolean) {
    this.#ownsEngine = ownsEngine;
    this.engine = engine;
    this.owner = Tree.over(engine, { author: "owner", ownsEngine: false });
    this.#access = access;
    this.log = log;
  }

  static async open(
    engine: Engine = new MemoryEngine(),
    clock: Clock = systemClock,
    secretKeys?: SecretKeys,
    ownsEngine = true,
  ): Promise<GuardedHub> {
    const lines: string[] = [];
    const note = (message: string, fields?: object): void =>
      void lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
    const log: Log = { debug: () => {}, info: note, warn: note, error: note };
    const access = await Access.open(engine, { clock, log, secretKeys });
    return new GuardedHub(engine, access, lines, ownsEngine);
  }

  /** Adds a user with these roles, and opens the tree as them. */
  async user(name: string, ...roles: string[]): Promise<Tree> {
    await this.owner.users.add(name, { roles });
    const { token } = await this.owner.users.addToken(name);
    return this.tree({ token });
  }

  /** What the tree has on record of what was refused. */
  async audit(): Promise<Refused[]> {
    await this.#access.flush();
    return this.owner.users.refused();
  }

  /** What a hub does every half second. */
  check(): void {
    this.#access.check();
  }

  async tree(credentials: object): Promise<Tree> {
    return Tree.over(await this.client(credentials));
  }

  async client(credentials: object): Promise<HubEngine> {
    const client = await HubEngine.open({ connect: () => this.connect(credentials) });
    this.#clients.push(client);
    return client;
  }

  /** A session as a network's would be; who holds it may call whatever is exported. */
  async connect(credentials: unknown, from = "here"): Promise<Session> {
    const [nearChannel, farChannel] = memoryChannelPair();
    let principal: Principal | undefined;
    let far: Session | undefined;
    const guarded = new GuardedEngine(
      this.engine,
      () => {
        if (principal === undefined) throw new EngineError("ENGINE_DENIED");
        return principal;
      },
      (refusal) => {
        this.refusals.push(refusal);
        this.#access.refused(refusal, from);
      },
    );
    const { exports, begin, end } = serveEngine(guarded, { pid: 1, epoch: "1" });
    const cut = (why: string): void => far?.abort(new RemoteError("REMOTE_DENIED", why));
    const authenticate: SessionOptions["authenticate"] = async ({ credentials: shown }) => {
      principal = await this.#access.login(shown, from, cut);
    };
    const [near, opened] = await Promise.all([
      openSession(nearChannel, { plain: "copy", credentials }),
      openSessionWith(farChannel, { exports, plain: "copy", authenticate }, begin),
    ]);
    far = opened;
    this.#sessions.push(far);
    void far.closed.then(end).then(() => principal?.[Symbol.dispose]());
    return near;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#sessions.map((session) => session.close()));
    await this.#access[Symbol.asyncDispose]();
    await this.owner.close();
    if (this.#ownsEngine) await this.engine.close();
  }
}
