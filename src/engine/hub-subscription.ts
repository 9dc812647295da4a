import { deferred } from "../base/deferred.ts";
import { EngineError } from "../base/errors.ts";
import type { Path } from "../wire/path.ts";
import type { EngineMessage, SubscribeOptions } from "./engine.ts";
import { type HubSession, isLost } from "./hub-link.ts";
import type { MessageSink } from "./hub-server.ts";
import { stopAt } from "./hub-watch.ts";
import { TopicSubscription } from "./subscriptions.ts";

/** How the hub is told what became of a message. */
interface Receipt {
  resolve(): void;
  reject(reason: unknown): void;
}

/** A subscription over whatever session there is. What is published between two sessions is lost. */
export class HubSubscription extends TopicSubscription {
  readonly id: number;
  readonly #topic: Path;
  readonly #group: string | undefined;
  readonly #made: { resolve(): void };
  /** Of a group's messages that wait for the reader: until it takes one, the hub may give it to another. */
  readonly #unread: Map<EngineMessage, Receipt>;
  #session: HubSession | undefined;
  #epoch = "";

  constructor(id: number, topic: Path, options: SubscribeOptions & { onEnd: () => void }) {
    const made = deferred<void>();
    const unread = new Map<EngineMessage, Receipt>();
    super({
      maxBacklog: options.maxBacklog,
      ready: made.promise,
      onTaken: (message) => {
        unread.get(message)?.resolve();
        unread.delete(message);
      },
      onEnd: () => {
        const session = this.#session;
        this.#session = undefined;
        for (const receipt of unread.values()) receipt.reject(new EngineError("ENGINE_CLOSED"));
        unread.clear();
        if (session !== undefined) stopAt(session, id);
        made.resolve();
        options.onEnd();
      },
    });
    this.id = id;
    this.#topic = topic;
    this.#group = options.group;
    this.#unread = unread;
    this.#made = made;
  }

  /** Goes on over this session. */
  start(session: HubSession): void {
    if (this.ended) return;
    this.#session = session;
    const { epoch } = session.hello;
    // The same hub has given them to others when it lost sight of us.
    if (this.#epoch === epoch && this.#group !== undefined) this.clear();
    this.#epoch = epoch;
    this.#unread.clear();
    let dropped = 0;
    const sink: MessageSink = (topic, data, droppedThere, error) => {
      if (this.#session !== session) {
        // On its way while this one ended: another of the group gets it.
        if (this.#group !== undefined) throw new EngineError("ENGINE_CLOSED");
        return undefined;
      }
      if (error !== undefined) {
        this.end({ reason: error });
        return undefined;
      }
      this.lose(droppedThere - dropped);
      dropped = droppedThere;
      return this.#receive({ topic, data });
    };
    const { maxBacklog } = this;
    const group = this.#group === undefined ? undefined : { name: this.#group, maxBacklog };
    session.hub.subscribe(this.id, this.#topic, sink, group).then(
      () => this.#made.resolve(),
      (error: unknown) => {
        if (this.#session === session && !isLost(session, error)) this.end({ reason: error });
      },
    );
  }

  override giveBack({ topic, data }: EngineMessage): void {
    const session = this.#session;
    if (this.#group === undefined || session === undefined || session.gone) return;
    void session.hub.giveBack(this.id, topic, data).then(undefined, () => {});
  }

  #receive(message: EngineMessage): Promise<void> | undefined {
    if (this.#group === undefined) {
      this.push(message);
      return undefined;
    }
    const receipt = deferred<void>();
    this.#unread.set(message, receipt);
    this.push(message);
    return receipt.promise;
  }
}
