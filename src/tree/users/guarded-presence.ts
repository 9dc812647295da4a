import { Iteration } from "../../base/iteration.ts";
import type { EngineMember, EnginePresence, PresenceEvent } from "../../engine/engine.ts";
import type { Path } from "../../wire/path.ts";
import type { Rights } from "./rights.ts";

export interface GuardedPresenceOptions {
  /** Of the reader. */
  readonly name: string;
  readonly rights: Rights;
  /** Whether the reader may know who is at this place, now. */
  readonly sees: (place: Path) => boolean;
}

/**
 * Who is there, as far as its reader may know, by the rights of that moment. When they change, those who
 * may not be seen any more are told to be lost, and those who may be seen now to have come.
 */
export class GuardedPresence extends Iteration<readonly PresenceEvent[]> implements EnginePresence {
  readonly #open: () => EnginePresence;
  readonly #options: GuardedPresenceOptions;
  readonly #listener: Disposable;
  /** Those whom the reader takes to be there. */
  readonly #told = new Map<string, EngineMember>();
  #presence: EnginePresence;
  #events: AsyncIterator<readonly PresenceEvent[]>;
  #outdated = false;
  #wasReady = false;
  #ended = false;

  constructor(open: () => EnginePresence, options: GuardedPresenceOptions) {
    super();
    this.#open = open;
    this.#options = options;
    this.#presence = open();
    this.#events = this.#presence[Symbol.asyncIterator]();
    this.#listener = options.rights.subscribe(() => {
      this.#outdated = true;
      // Whoever waits for it goes on with the next.
      void this.#presence[Symbol.asyncDispose]();
    });
  }

  override async next(): Promise<IteratorResult<readonly PresenceEvent[]>> {
    for (;;) {
      const value = this.#outdated && !this.#ended ? this.#restart() : await this.#pull();
      if (value === undefined) return { done: true, value: undefined };
      if (value.length > 0) return { done: false, value };
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    this.#listener[Symbol.dispose]();
    await this.#presence[Symbol.asyncDispose]();
  }

  /** Looks anew at who is there. @returns those who are hidden from now on */
  #restart(): PresenceEvent[] {
    this.#outdated = false;
    this.#presence = this.#open();
    this.#events = this.#presence[Symbol.asyncIterator]();
    const hidden = [...this.#told.values()].filter(({ place }) => !this.#options.sees(place));
    for (const { id } of hidden) this.#told.delete(id);
    return hidden.map((member) => ({ type: "leave", member, reason: "lost" }));
  }

  /** What comes next, as much of it as may be told; undefined at the end. */
  async #pull(): Promise<PresenceEvent[] | undefined> {
    const { done, value } = await this.#events.next();
    if (this.#outdated && !this.#ended) return [];
    if (done === true) return undefined;
    return value.flatMap((event) => this.#tell(event));
  }

  #tell(event: PresenceEvent): PresenceEvent[] {
    if (event.type === "ready") {
      if (this.#wasReady) return [];
      this.#wasReady = true;
      return [event];
    }
    if (event.type === "stale" || event.type === "live") return [event];
    const member = this.#named(event.member);
    if (event.type === "leave") {
      return this.#told.delete(member.id) ? [{ ...event, member }] : [];
    }
    if (this.#told.has(member.id) || !this.#options.sees(member.place)) return [];
    this.#told.set(member.id, member);
    return [{ ...event, member }];
  }

  /** The reader's own members have the names that they gave themselves. */
  #named(member: EngineMember): EngineMember {
    const own = `${this.#options.name}/`;
    return member.id.startsWith(own) ? { ...member, id: member.id.slice(own.length) } : member;
  }
}
