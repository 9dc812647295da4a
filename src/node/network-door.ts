import type { Clock } from "../base/clock.ts";
import { BanyanError, ChannelError, EngineError, RemoteError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Channel } from "../channel/channel.ts";
import type { Engine } from "../engine/engine.ts";
import type { HubInfo } from "../engine/hub-hello.ts";
import { serveEngine } from "../engine/hub-server.ts";
import { openSessionWith, type Session, type SessionOptions } from "../remote/session.ts";
import type { SecretKeys } from "../tree/secrets/secret-keys.ts";
import { GuardedEngine } from "../tree/users/guarded-engine.ts";
import { JOIN_EXPORT, JoinService } from "./join-service.ts";
import type { Access, Principal } from "./access.ts";
import { METHODS_EXPORT } from "./network.ts";
import { type NetworkAddress, NetworkFront } from "./network-front.ts";
import type { TreePlaces } from "./tree-folder.ts";

export interface NetworkDoorOptions {
  readonly engine: Engine;
  readonly places: TreePlaces;
  readonly info: HubInfo;
  readonly clock: Clock;
  readonly log: Log;
  readonly secretKeys: SecretKeys;
  /** Takes a session into account for as long as it lasts. */
  readonly hold: (session: Session) => Disposable;
}

/**
 * Connections of which nobody knows yet whose they are. For more, those that have said nothing for the
 * longest time have to go; where all have shown something, whoever comes is turned away.
 */
const MAX_STRANGERS = 64;
const TOO_MANY = "too many connections";
/** A value of the largest size, or a page of a listing, and what goes with it. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** What somebody who shows an invitation has to do takes no longer. */
const JOIN_MS = 20_000;
/** Looking at a password takes a while, and longer for who was wrong before. */
const HELLO_MS = 20_000;

/**
 * The hub's way in from the network: whoever comes says who they are before they can reach anything.
 * Costs nothing until `.banyan/listen.json` asks for it.
 */
export class NetworkDoor {
  readonly #options: NetworkDoorOptions;
  readonly #front: NetworkFront;
  #access: Promise<Access> | undefined;
  #strangers = 0;
  /** Those of them who have shown nothing, the oldest first. */
  readonly #silent = new Set<Channel>();

  constructor(options: NetworkDoorOptions) {
    this.#options = options;
    const { places, log } = options;
    this.#front = new NetworkFront({
      places,
      log,
      maxMessageBytes: MAX_MESSAGE_BYTES,
      onChannel: (channel, from) => void this.#accept(channel, from),
    });
  }

  get addresses(): readonly NetworkAddress[] {
    return this.#front.addresses;
  }

  /** Opens and closes what is asked for by now. @returns whether the addresses are others than before */
  async look(): Promise<boolean> {
    const access = await this.#access;
    access?.check();
    return this.#front.look();
  }

  /** Takes nobody in any more; who is in stays. */
  async close(): Promise<void> {
    await this.#front.close();
    const access = await this.#access?.catch(() => undefined);
    await access?.[Symbol.asyncDispose]();
  }

  async #accept(channel: Channel, from: string): Promise<void> {
    const { log, info, engine, hold, clock } = this.#options;
    if (!this.#hasRoom()) return this.#refuse(channel, from);
    this.#strangers++;
    this.#silent.add(channel);
    let session: Session | undefined;
    let principal: Principal | undefined;
    let access: Access | undefined;
    // Whoever only asks by what one comes in stays a stranger, and goes first where there is no room.
    let isAsking = false;
    const leave = (): void => {
      this.#strangers--;
      this.#silent.delete(channel);
    };
    const guarded = new GuardedEngine(
      engine,
      () => {
        if (principal === undefined) throw new EngineError("ENGINE_DENIED");
        return principal;
      },
      (refusal) => access?.refused(refusal, from),
    );
    const serving = serveEngine(guarded, info, log);
    // What there is for a peer is known when it was let in.
    const exports: Record<string, unknown> = {};
    try {
      const end = (why: string): void => session?.abort(new RemoteError("REMOTE_DENIED", why));
      const begin = (opened: Session): void => {
        if (principal !== undefined) serving.begin(opened);
      };
      const options: SessionOptions = {
        exports,
        plain: "copy",
        name: "hub",
        log,
        limits: { maxMessageBytes: MAX_MESSAGE_BYTES, helloMs: HELLO_MS },
        authenticate: async ({ credentials }) => {
          const { invite, methods } = Object(credentials) as Readonly<Record<string, unknown>>;
          isAsking = methods === true;
          if (!isAsking) this.#silent.delete(channel);
          if (invite !== undefined) {
            const join = new JoinService({ engine, clock, log, from });
            exports[JOIN_EXPORT] = join;
            return join.show(invite);
          }
          this.#access ??= openAccess(engine, this.#options);
          access = await this.#access;
          if (isAsking) {
            const taken = access.methods;
            exports[METHODS_EXPORT] = () => taken;
            return;
          }
          principal = await access.login(credentials, from, end);
          Object.assign(exports, serving.exports);
        },
      };
      session = await openSessionWith(channel, options, begin).finally(() => {
        if (!isAsking) leave();
      });
      using _ = hold(session);
      // The right to stay may have gone before there was a session to end.
      if (principal?.gone === true) end("");
      using _timer = principal === undefined ? clock.after(JOIN_MS, () => end("")) : undefined;
      await session.closed;
    } catch (error) {
      // What was wrong with a login is in the log already.
      const level = BanyanError.has(error, "REMOTE_DENIED") ? "debug" : "warn";
      log[level](`a connection was refused: ${(error as Error).message}`, { from });
    } finally {
      if (isAsking) leave();
      principal?.[Symbol.dispose]();
      serving.end();
    }
  }

  #refuse(channel: Channel, from: string): void {
    const says = "a connection was refused: too many have not said who they are";
    this.#options.log.warn(says, { from });
    channel.abort(new ChannelError("CHANNEL_REFUSED", TOO_MANY));
  }

  /** Nobody keeps others out by saying nothing. */
  #hasRoom(): boolean {
    if (this.#strangers < MAX_STRANGERS) return true;
    const [oldest] = this.#silent;
    if (oldest === undefined) return false;
    this.#silent.delete(oldest);
    oldest.abort(new ChannelError("CHANNEL_REFUSED", TOO_MANY));
    return true;
  }
}

async function openAccess(engine: Engine, options: NetworkDoorOptions): Promise<Access> {
  // Most hubs have no door on the network, and all start while somebody waits.
  const { Access } = await import("./access.ts");
  const { clock, log, secretKeys } = options;
  return Access.open(engine, { clock, log, secretKeys });
}
