import { sinkBehind, type SinkFunction } from "./link-sinks.ts";
import type { LinkSink } from "./peers.ts";

/** A hub's view of the end of a link that one of its clients holds. */
export class HubLinkEnd {
  /** Takes what goes to the client. */
  readonly inward: LinkSink;
  /** Takes what comes from the client. */
  readonly outward: LinkSink;
  readonly #ends: Set<HubLinkEnd>;
  #client: LinkSink | undefined;
  #other: LinkSink | undefined;
  /** Why there is no link any more, before the client was there to be told. */
  #broken: string | undefined;

  /** Is in `ends` as long as the client's death would break the link. */
  constructor(ends: Set<HubLinkEnd>) {
    this.#ends = ends;
    ends.add(this);
    this.inward = {
      message: (piece, more) => this.#client?.message(piece, more),
      end: () => this.#client?.end(),
      broken: (reason) => {
        ends.delete(this);
        this.#broken = reason;
        this.#client?.broken(reason);
      },
    };
    this.outward = {
      message: (piece, more) => this.#other?.message(piece, more),
      end: () => {
        ends.delete(this);
        this.#other?.end();
      },
      broken: (reason) => this.break(reason),
    };
  }

  /** Where what goes to the client goes. */
  meet(client: SinkFunction): void {
    this.#client = sinkBehind(client);
    if (this.#broken !== undefined) this.#client.broken(this.#broken);
  }

  /** Where what comes from the client goes. */
  join(other: LinkSink): void {
    this.#other = other;
  }

  /** Tells the other end that this one is gone. */
  break(reason: string): void {
    if (this.#ends.delete(this)) this.#other?.broken(reason);
  }
}
