import type { Clock } from "../base/clock.ts";
import type { Path } from "../wire/path.ts";
import type { HubSession } from "./hub-link.ts";
import type { EngineMember, PresenceEvent } from "./peers.ts";
import { PresenceReader } from "./presence-board.ts";

export interface HubPresenceOptions {
  readonly clock: Clock;
  /** How long after a new session the others may take to come to the hub, too. */
  readonly graceMs: number;
  readonly onEnd: () => void;
}

/** Who is there, over whatever session there is: who was there before another hub came is still there. */
export class HubPresence extends PresenceReader {
  readonly #id: number;
  readonly #place: Path;
  readonly #options: HubPresenceOptions;
  /** Those the reader was told of. */
  readonly #known = new Map<string, EngineMember>();
  #session: HubSession | undefined;
  #ready = false;
  #grace: Disposable | undefined;

  constructor(id: number, place: Path, options: HubPresenceOptions) {
    super(() => {
      this.#grace?.[Symbol.dispose]();
      stopOffer(this.#session, id);
      options.onEnd();
    });
    this.#id = id;
    this.#place = place;
    this.#options = options;
  }

  start(session: HubSession): void {
    if (this.ended) return;
    this.#session = session;
    this.#grace?.[Symbol.dispose]();
    const here = new Set<string>();
    const sink = (events: readonly PresenceEvent[]): void => {
      if (this.#session !== session) return;
      for (const event of events) this.#hear(event, here);
    };
    session.peers.presence(this.#id, this.#place, sink).then(undefined, (error: unknown) => {
      if (this.#session === session && !session.gone) super.end({ reason: error });
    });
  }

  lost(): void {
    if (this.#session === undefined) return;
    this.#session = undefined;
    this.#grace?.[Symbol.dispose]();
    if (this.#ready) this.push({ type: "stale" });
  }

  #hear(event: PresenceEvent, here: Set<string>): void {
    if (event.type === "join") {
      const { member } = event;
      here.add(member.id);
      if (!this.#known.has(member.id)) this.push(event);
      this.#known.set(member.id, member);
    } else if (event.type === "leave") {
      here.delete(event.member.id);
      if (this.#known.delete(event.member.id)) this.push(event);
    } else if (event.type === "ready" && !this.#ready) {
      this.#ready = true;
      this.push(event);
    } else if (event.type === "ready") {
      this.push({ type: "live" });
      this.#missLater(here);
    } else {
      this.push(event);
    }
  }

  #missLater(here: ReadonlySet<string>): void {
    const { clock, graceMs } = this.#options;
    this.#grace = clock.after(graceMs, () => {
      for (const [id, member] of this.#known) {
        if (here.has(id)) continue;
        this.#known.delete(id);
        this.push({ type: "leave", member, reason: "lost" });
      }
    });
  }
}

/** Ends an offer or a presence at the hub, if the session still stands. */
export function stopOffer(session: HubSession | undefined, id: number): void {
  if (session === undefined || session.gone) return;
  void session.peers.stop(id).then(undefined, () => {});
}
