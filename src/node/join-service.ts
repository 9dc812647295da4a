import type { Clock } from "../base/clock.ts";
import { BanyanError, RemoteError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Engine } from "../engine/engine.ts";
import { Tree } from "../tree/tree.ts";
import { Invites, type Joined } from "../tree/users/invites.ts";

/** The name under which a hub exports a `JoinService`. */
export const JOIN_EXPORT = "join";

export interface JoinServiceOptions {
  /** Stays the caller's. */
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the other machine is, as far as this one can see. */
  readonly from: string;
}

/** What somebody who shows an invitation can do at a hub: use it, and nothing else. */
export class JoinService {
  readonly #tree: Tree;
  readonly #invites: Invites;
  readonly #options: JoinServiceOptions;
  #text: string | undefined;

  constructor(options: JoinServiceOptions) {
    const { engine, log, clock } = options;
    this.#options = options;
    this.#tree = Tree.over(engine, { ownsEngine: false, author: "hub", log });
    this.#invites = new Invites(this.#tree, clock);
  }

  /** Lets somebody as far as here. Who has an invitation is told in `redeem` why it can't be used. */
  async show(text: unknown): Promise<void> {
    const { from, log } = this.#options;
    if (!(await this.#invites.has(text))) {
      log.warn("a login was refused", { from, why: "no such invitation" });
      throw new RemoteError("REMOTE_DENIED", "the invitation was not accepted");
    }
    this.#text = String(text);
  }

  /**
   * @param token the text of one that the machine has made, by which it may ask again for what it missed
   * @throws TreeError `TREE_BAD_INVITE`, `TREE_EXISTS`; RemoteError `REMOTE_DENIED`
   */
  async redeem(name: string, token?: string): Promise<Joined> {
    const { from, log } = this.#options;
    if (this.#text === undefined) {
      throw new RemoteError("REMOTE_DENIED", "this is for who shows an invitation");
    }
    try {
      const joined = await this.#invites.redeem(this.#text, name, from, token);
      log.info(`${name} has joined`, { from });
      return joined;
    } catch (error) {
      if (BanyanError.has(error, "TREE_BAD_INVITE")) await this.#refused(error.message);
      throw error;
    }
  }

  /** One that is shown again may have been stolen: by whoever is here now, or by who was faster. */
  async #refused(why: string): Promise<void> {
    const { from, log } = this.#options;
    log.warn("an invitation was refused", { from, why });
    if (!why.includes("was used")) return;
    await this.#tree.errors
      .record({
        subsystem: "invite",
        path: "second.use",
        message:
          "an invitation was shown again from {from}: {why}; if that was not you, remove that node",
        data: { from, why },
      })
      .catch((error: unknown) => log.warn("it could not be recorded", { error }));
  }
}
