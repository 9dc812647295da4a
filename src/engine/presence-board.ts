import { Iteration } from "../base/iteration.ts";
import { onAbort } from "../base/abort.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { randomId } from "../base/ids.ts";
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
export class PresenceReader extends Iteration<readonly PresenceEvent[]> implements EnginePresence {
  /** By the member's id, or the type of a mark. */
  readonly #events = new Map<string, PresenceEvent>();
  readonly #onEnd: () => void;
  #ended = false;
  #error: { reason: unknown } | undefined;
  #waiting: Deferred<void> | undefined;
  #listener: Disposable | undefined;

  constructor(onEnd: () => void) {
    super();
    this.#onEnd = onEnd;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Ends it with the signal's reason. */
  abortWith(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const listener = onAbort(signal, () => this.end({ reason: signal.reason }));
    if (!this.#ended) this.#listener = listener;
  }

  push(event: PresenceEvent): void {
    if (this.#ended) return;
    const key = "member" in event ? event.member.id : ` ${event.type}`;
    const before = this.#events.get(key);
    this.#events.delete(key);
    // Who came and went before the reader looked was not there for it.
    const neverThere = event.type === "leave" && before?.type === "join";
    const neverGone = event.type === "live" && this.#events.delete(" stale");
    if (!neverThere && !neverGone) this.#events.set(key, event);
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  end(error?: { reason: unknown }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#events.clear();
    this.#listener?.[Symbol.dispose]();
    this.#onEnd();
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  override async next(): Promise<IteratorResult<readonly PresenceEvent[]>> {
    while (this.#events.size === 0 && !this.#ended) {
      this.#waiting ??= deferred();
      await this.#waiting.promise;
    }
    if (this.#events.size > 0) {
      const value = [...this.#events.values()];
      this.#events.clear();
      return { done: false, value };
    }
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error.reason;
    return { done: true, value: undefined };
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.end();
  }
}
