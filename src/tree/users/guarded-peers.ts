import type { AbortOptions } from "../../base/abort.ts";
import type { EngineError } from "../../base/errors.ts";
import type {
  AnnounceOptions,
  EngineAnswer,
  EngineMembership,
  EngineOffer,
  EnginePeers,
  EnginePresence,
  EngineResponder,
  LinkAcceptor,
  LinkSink,
  RequestOptions,
} from "../../engine/engine.ts";
import type { Path } from "../../wire/path.ts";
import type { GuardedUser } from "./guarded-engine.ts";
import { GuardedPresence } from "./guarded-presence.ts";
import type { Right } from "./rights.ts";

export interface GuardedPeersOptions {
  /** Who it is; throws while that is not known. */
  readonly user: () => GuardedUser;
  /** Throws, and notes it, where the user has no such right. */
  readonly check: (operation: string, right: Right, path: Path) => void;
  readonly refusal: (operation: string, right: Right | undefined, path: Path) => EngineError;
}

/**
 * Meeting others, as one user may do it. To ask somebody, to be there and to open a link takes the right
 * to write at the topic; to see who is there, the right to read; to answer and to accept, both: whoever
 * does that gets what others send.
 */
export class GuardedPeers implements EnginePeers {
  readonly #peers: () => EnginePeers;
  readonly #options: GuardedPeersOptions;

  constructor(peers: () => EnginePeers, options: GuardedPeersOptions) {
    this.#peers = peers;
    this.#options = options;
  }

  async request(topic: Path, data: Uint8Array, options?: RequestOptions): Promise<EngineAnswer> {
    this.#options.check("request", "w", topic);
    return this.#peers().request(topic, data, options);
  }

  requestAll(
    topic: Path,
    data: Uint8Array,
    options?: RequestOptions,
  ): AsyncIterableIterator<EngineAnswer> {
    this.#options.check("requestAll", "w", topic);
    return this.#peers().requestAll(topic, data, options);
  }

  respond(topic: Path, responder: EngineResponder, options?: AbortOptions): EngineOffer {
    const check = (): void => this.#checkServing("respond", topic);
    check();
    return this.#whileAllowed(this.#peers().respond(topic, responder, options), check);
  }

  announce(place: Path, about: Uint8Array, options: AnnounceOptions = {}): EngineMembership {
    const check = (): void => this.#options.check("announce", "w", place);
    check();
    const { again, signal } = options;
    // Under a name of its own nobody takes the place of somebody else.
    const named = again && { id: `${this.#options.user().name}/${again.id}`, since: again.since };
    const member = this.#peers().announce(place, about, { signal, again: named });
    const offer = this.#whileAllowed(member, check);
    return {
      id: again?.id ?? member.id,
      since: member.since,
      ready: offer.ready,
      leave: (reason) => member.leave(reason),
      [Symbol.asyncDispose]: () => offer[Symbol.asyncDispose](),
    };
  }

  presence(place: Path, options: AbortOptions = {}): EnginePresence {
    this.#options.check("presence", "r", place);
    const { name, rights } = this.#options.user();
    return new GuardedPresence(() => this.#peers().presence(place, options), {
      name,
      rights,
      sees: (at) => rights.isFull || rights.allows("r", at),
    });
  }

  accept(door: Path, acceptor: LinkAcceptor, options?: AbortOptions): EngineOffer {
    const check = (): void => this.#checkServing("accept", door);
    check();
    const guarded: LinkAcceptor = async (caller) => {
      const sink = await acceptor(caller);
      return this.#guardLink(caller, sink, check);
    };
    return this.#whileAllowed(this.#peers().accept(door, guarded, options), check);
  }

  async link(door: Path, near: LinkSink, options?: AbortOptions): Promise<LinkSink> {
    const check = (): void => this.#options.check("link", "w", door);
    check();
    const far = await this.#peers().link(door, near, options);
    return this.#guardLink(near, far, check);
  }

  /** Answering for many topics would give requests of topics that are somebody else's. */
  #checkServing(operation: string, topic: Path): void {
    const { check, user, refusal } = this.#options;
    const isWide = topic.some((element) => element === "+" || element === "#");
    if (isWide && !user().rights.isFull) throw refusal(operation, undefined, topic);
    check(operation, "r", topic);
    check(operation, "w", topic);
  }

  /** Ends an offer when the right to it is gone. */
  #whileAllowed(offer: EngineOffer, check: () => void): EngineOffer {
    const end = (): Promise<void> => {
      listener[Symbol.dispose]();
      return Promise.resolve(offer[Symbol.asyncDispose]());
    };
    const listener = this.#options.user().rights.subscribe(() => {
      if (!holds(check)) void end();
    });
    return { ready: offer.ready, [Symbol.asyncDispose]: end };
  }

  /** Breaks a link, for both of its ends, when the right to it is gone. */
  #guardLink(near: LinkSink, far: LinkSink, check: () => void): LinkSink {
    let broken = false;
    const listener = this.#options.user().rights.subscribe(() => {
      if (broken || holds(check)) return;
      over();
      near.broken("the right to it was taken away");
      far.broken("the right to it was taken away");
    });
    const over = (): void => {
      broken = true;
      listener[Symbol.dispose]();
    };
    return {
      message: (piece, more) => (broken ? undefined : far.message(piece, more)),
      end: () => {
        if (!broken) far.end();
      },
      broken: (reason) => {
        if (broken) return;
        over();
        far.broken(reason);
      },
    };
  }
}

function holds(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}
