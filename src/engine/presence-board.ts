import { onAbort } from "../base/abort.ts";
import { randomId } from "../base/ids.ts";
import { Feed } from "../base/iteration.ts";
import type { Path } from "../wire/path.ts";
import type {
  AnnounceOptions,
  EngineMember,
  EngineMembership,
  EnginePresence,
  LeaveReason,
  PresenceEvent,
} from "./peers.ts";

/** Who is there within one engine. */
export class PresenceBoard {
  readonly #members = new Map<string, EngineMember>();
  readonly #readers = new Set<{ readonly place: Path; readonly reader: PresenceReader }>();

  announce(place: Path, about: Uint8Array, options: AnnounceOptions = {}): EngineMembership {
    const { id = randomId(), since = Date.now() } = options.again ?? {};
    const member: EngineMember = { place, id, since, about: new Uint8Array(about) };
    this.#members.set(id, member);
    this.#tell({ type: "join", member });
    let listener: Disposable | undefined;
    const leave = (reason: LeaveReason = "left"): void => {
      listener?.[Symbol.dispose]();
      // Who announced itself again meanwhile stays.
      if (this.#members.get(id) !== member) return;
      this.#members.delete(id);
      this.#tell({ type: "leave", member, reason });
    };
    const { signal } = options;
    if (signal !== undefined) listener = onAbort(signal, leave);
    return {
      id,
      since,
      ready: Promise.resolve(),
      leave,
      [Symbol.asyncDispose]: async () => leave(),
    };
  }

  presence(place: Path, signal?: AbortSignal): EnginePresence {
    const reader: PresenceReader = new PresenceReader(() => this.#readers.delete(entry));
    const entry = { place, reader };
    this.#readers.add(entry);
    for (const member of this.#members.values()) {
      if (place.contains(member.place)) reader.push({ type: "join", member });
    }
    reader.push({ type: "ready" });
    reader.abortWith(signal);
    return reader;
  }

  close(): void {
    for (const { reader } of this.#readers) reader.end();
  }

  #tell(event: PresenceEvent & { readonly member: EngineMember }): void {
    for (const { place, reader } of this.#readers) {
      if (place.contains(event.member.place)) reader.push(event);
    }
  }
}

/** What one reader has not heard yet: never more than there are members, present and gone. */
export class PresenceReader extends Feed<readonly PresenceEvent[]> implements EnginePresence {
  /** By the member's id, or the type of a mark. */
  readonly #events = new Map<string, PresenceEvent>();
  readonly #onEnd: () => void;

  constructor(onEnd: () => void) {
    super();
    this.#onEnd = onEnd;
  }

  push(event: PresenceEvent): void {
    if (this.ended) return;
    const key = "member" in event ? event.member.id : ` ${event.type}`;
    const before = this.#events.get(key);
    this.#events.delete(key);
    // Who came and went before the reader looked was not there for it.
    const neverThere = event.type === "leave" && before?.type === "join";
    const neverGone = event.type === "live" && this.#events.delete(" stale");
    if (!neverThere && !neverGone) this.#events.set(key, event);
    this.wake();
  }

  protected override take(): readonly PresenceEvent[] | undefined {
    if (this.#events.size === 0) return undefined;
    const events = [...this.#events.values()];
    this.#events.clear();
    return events;
  }

  protected override whenEnded(): void {
    this.#events.clear();
    this.#onEnd();
  }
}
