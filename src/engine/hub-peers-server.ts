import type { Log } from "../base/log.ts";
import { release } from "../remote/helpers.ts";
import type { Path } from "../wire/path.ts";
import { checkBytes, checkPath } from "./hub-checks.ts";
import { HubLinkEnd } from "./hub-link-end.ts";
import { Window } from "./hub-window.ts";
import { type SinkFunction, sinkFunction } from "./link-sinks.ts";
import type { EngineAnswer, EngineMembership, EnginePeers, PresenceEvent } from "./peers.ts";

/** The name under which a hub exports its `HubPeersService`. */
export const PEERS_EXPORT = "peers";

/** A responder at the far end of a session. */
export type RemoteResponder = (
  topic: Path,
  data: Uint8Array,
  signal: AbortSignal,
) => Promise<EngineAnswer>;

/** Takes a batch; resolves when there is room for more. */
export type PresenceSink = (events: readonly PresenceEvent[]) => Promise<void> | void;

const BATCHES_AHEAD = 4;

/** `EnginePeers` as one client of a hub sees it, with callbacks where the contract has streams. */
export class HubPeersService implements AsyncDisposable {
  readonly #peers: EnginePeers;
  readonly #log: Log;
  readonly #streams = new Map<number, AsyncDisposable>();
  readonly #members = new Set<EngineMembership>();
  readonly #links = new Set<HubLinkEnd>();

  constructor(peers: EnginePeers, log: Log) {
    this.#peers = peers;
    this.#log = log;
  }

  request(
    topic: Path,
    data: Uint8Array,
    timeoutMs: number | undefined,
    signal: AbortSignal,
  ): Promise<EngineAnswer> {
    return this.#peers.request(checkPath(topic), checkBytes(data), {
      timeoutMs: checkTime(timeoutMs),
      signal,
    });
  }

  /** Resolves when all answers there will be have been given to `sink`. */
  async requestAll(
    topic: Path,
    data: Uint8Array,
    options: { readonly timeoutMs: number | undefined; readonly signal: AbortSignal },
    sink: (answer: EngineAnswer) => Promise<void> | void,
  ): Promise<void> {
    const timeoutMs = checkTime(options.timeoutMs);
    try {
      const { signal } = options;
      const answers = this.#peers.requestAll(checkPath(topic), checkBytes(data), {
        timeoutMs,
        signal,
      });
      for await (const answer of answers) await sink(answer);
    } finally {
      release(sink);
    }
  }

  async respond(id: number, topic: Path, responder: RemoteResponder): Promise<void> {
    const offer = this.#peers.respond(checkPath(topic), (request) =>
      responder(request.topic, request.data, request.signal),
    );
    this.#keep(id, offer, responder);
    await offer.ready;
  }

  async announce(
    id: number,
    place: Path,
    about: Uint8Array,
    again: { readonly id: string; readonly since: number },
  ): Promise<void> {
    if (typeof again.id !== "string" || again.id.length > MAX_ID) {
      throw new TypeError("the id must be short text");
    }
    if (!Number.isFinite(again.since)) throw new TypeError("since must be a number");
    const member = this.#peers.announce(checkPath(place), checkBytes(about), { again });
    this.#members.add(member);
    this.#keep(id, {
      [Symbol.asyncDispose]: async () => {
        // At the end of the session it was lost already.
        if (this.#members.delete(member)) member.leave();
      },
    });
    await member.ready;
  }

  presence(id: number, place: Path, sink: PresenceSink): void {
    const presence = this.#peers.presence(checkPath(place));
    this.#keep(id, presence);
    const pump = async (): Promise<void> => {
      const ahead = new Window(BATCHES_AHEAD, () => this.stop(id));
      for await (const events of presence) await ahead.add(sink(events));
    };
    void pump()
      .catch((error: unknown) => this.#log.debug("a presence ended", { error: String(error) }))
      .finally(() => {
        this.#streams.delete(id);
        release(sink);
      });
  }

  async accept(
    id: number,
    door: Path,
    acceptor: (caller: SinkFunction) => Promise<SinkFunction>,
  ): Promise<void> {
    const offer = this.#peers.accept(checkPath(door), async (caller) => {
      const end = new HubLinkEnd(this.#links);
      end.join(caller);
      await this.#open(end, async () => end.meet(await acceptor(sinkFunction(end.outward))));
      return end.inward;
    });
    this.#keep(id, offer, acceptor);
    await offer.ready;
  }

  /** What this returns takes what the client sends; `near` gets what comes. */
  async link(door: Path, near: SinkFunction): Promise<SinkFunction> {
    const end = new HubLinkEnd(this.#links);
    end.meet(near);
    await this.#open(end, async () =>
      end.join(await this.#peers.link(checkPath(door), end.inward)),
    );
    return sinkFunction(end.outward);
  }

  /** Ends an offer or a presence; a second time is harmless. */
  async stop(id: number): Promise<void> {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    await stream?.[Symbol.asyncDispose]();
  }

  /** The session is over: what the client left is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    const members = [...this.#members];
    this.#members.clear();
    for (const member of members) member.leave("lost");
    for (const link of this.#links) link.break("the process at the other end is gone");
    this.#links.clear();
    await Promise.all(Array.from(this.#streams.keys(), (id) => this.stop(id)));
  }

  async #open(end: HubLinkEnd, open: () => Promise<void>): Promise<void> {
    try {
      await open();
    } catch (error) {
      this.#links.delete(end);
      throw error;
    }
  }

  #keep(id: number, stream: AsyncDisposable, callback?: unknown): void {
    const before = this.#streams.get(id);
    this.#streams.set(id, {
      [Symbol.asyncDispose]: async () => {
        await stream[Symbol.asyncDispose]();
        release(callback);
      },
    });
    void before?.[Symbol.asyncDispose]();
  }
}

/** Longer than ours are. */
const MAX_ID = 64;

function checkTime(timeoutMs: number | undefined): number | undefined {
  if (timeoutMs === undefined || timeoutMs >= 0) return timeoutMs;
  throw new TypeError("a time limit must be a number of milliseconds");
}
