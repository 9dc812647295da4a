import { deferred } from "../base/deferred.ts";
import type { Path } from "../wire/path.ts";
import type { SubscribeOptions } from "./engine.ts";
import { type HubSession, isLost } from "./hub-link.ts";
import type { MessageSink } from "./hub-server.ts";
import { stopAt } from "./hub-watch.ts";
import { TopicSubscription } from "./subscriptions.ts";

/** A subscription over whatever session there is. What is published between two sessions is lost. */
export class HubSubscription extends TopicSubscription {
  readonly id: number;
  readonly #topic: Path;
  readonly #made: { resolve(): void };
  #session: HubSession | undefined;

  constructor(id: number, topic: Path, options: SubscribeOptions & { onEnd: () => void }) {
    const made = deferred<void>();
    super({
      maxBacklog: options.maxBacklog,
      ready: made.promise,
      onEnd: () => {
        const session = this.#session;
        this.#session = undefined;
        if (session !== undefined) stopAt(session, id);
        made.resolve();
        options.onEnd();
      },
    });
    this.id = id;
    this.#topic = topic;
    this.#made = made;
  }

  /** Goes on over this session. */
  start(session: HubSession): void {
    if (this.ended) return;
    this.#session = session;
    let dropped = 0;
    const sink: MessageSink = (topic, data, droppedThere) => {
      if (this.#session !== session) return;
      this.lose(droppedThere - dropped);
      dropped = droppedThere;
      this.push({ topic, data });
    };
    session.hub.subscribe(this.id, this.#topic, sink).then(
      () => this.#made.resolve(),
      (error: unknown) => {
        if (this.#session === session && !isLost(session, error)) this.end({ reason: error });
      },
    );
  }
}
