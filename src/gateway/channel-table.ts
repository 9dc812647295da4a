import { RemoteError } from "../base/errors.ts";
import { valueClass, type ValueClass } from "../remote/value-classes.ts";
import { type ChannelOwner, type ChannelWire, GatewayChannel, Run } from "./gateway-channel.ts";
import type { GatewaySide } from "./side.ts";

/** What is unread at this end may be named by the peer; so many it can make us hold. */
const MAX_CHANNELS = 65_536;

/** The open channels of one side of a gateway. Both sides count up, one the odd, one the even ids. */
export class ChannelTable implements ChannelOwner {
  readonly side: GatewaySide;
  /** How channels cross: as their ids. */
  readonly valueClasses: readonly ValueClass[];
  readonly #open = new Map<number, GatewayChannel>();
  #wire: ChannelWire | undefined;
  #nextId: number;
  #isOver = false;
  #error: Error | undefined;

  constructor(side: GatewaySide, firstId: 1 | 2) {
    this.side = side;
    this.#nextId = firstId;
    this.valueClasses = [
      this.#crossing("gateway channel", GatewayChannel),
      this.#crossing("gateway run", Run),
    ];
  }

  /** To be called before any channel is used. */
  connect(wire: ChannelWire): void {
    this.#wire = wire;
  }

  get wire(): ChannelWire {
    if (this.#wire === undefined) throw new TypeError("the gateway is not open yet");
    return this.#wire;
  }

  get size(): number {
    return this.#open.size;
  }

  create(): GatewayChannel {
    return this.#add(new GatewayChannel(this.#takeId(), this));
  }

  createRun<Result, Item>(): Run<Result, Item> {
    return this.#add(new Run<Result, Item>(this.#takeId(), this));
  }

  /** This side's end of a channel that the other has made. */
  adopt(id: number): GatewayChannel {
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    if (!Number.isSafeInteger(id) || id < 1 || this.#open.size >= MAX_CHANNELS) {
      throw new RemoteError("REMOTE_LIMIT", `no channel can have the id ${String(id)} here`);
    }
    return this.#add(new GatewayChannel(id, this));
  }

  /** An item from the other side. What comes for a channel that was closed meanwhile goes nowhere. */
  item(id: number, value: unknown): unknown {
    return this.#open.get(id)?.deliver(value);
  }

  endedThere(id: number, error: Error | undefined): void {
    const channel = this.#open.get(id);
    this.#open.delete(id);
    channel?.endBy(error);
  }

  /** Known until the other side has it too: until then it may name the channel. */
  ended(id: number, told: PromiseLike<unknown>): void {
    const forget = (): void => this.forget(id);
    void told.then(forget, forget);
  }

  forget(id: number): void {
    this.#open.delete(id);
  }

  /** The gateway has ended. */
  endAll(error: Error | undefined): void {
    this.#isOver = true;
    this.#error = error;
    const all = [...this.#open.values()];
    this.#open.clear();
    for (const channel of all) channel.endBy(error);
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId += 2;
    return id;
  }

  #add<Channel extends Pick<GatewayChannel, "id" | "endBy">>(channel: Channel): Channel {
    // What it carries is its users' to know.
    if (!this.#isOver) this.#open.set(channel.id, channel as unknown as GatewayChannel);
    else channel.endBy(this.#error);
    return channel;
  }

  #crossing(name: string, Class: typeof GatewayChannel): ValueClass {
    return valueClass<GatewayChannel, readonly [number, boolean]>({
      name,
      class: Class,
      pack: (channel) => {
        if (channel.isOf(this)) return [channel.id, channel.isClosed];
        const from = channel.gateway.id;
        throw new TypeError(
          `channel ${channel.id} belongs to gateway ${from}: it can't cross another`,
        );
      },
      unpack: ([id, isClosed]) => this.#named(id, isClosed),
    });
  }

  /** One that this side has made and forgotten, or that is closed over there, is closed. */
  #named(id: number, isClosed: boolean): GatewayChannel {
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    if (!isClosed && id % 2 !== this.#nextId % 2) return this.adopt(id);
    const channel = new GatewayChannel(id, this);
    channel.finish();
    return channel;
  }
}
