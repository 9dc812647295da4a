import type { AbortOptions } from "../base/abort.ts";
import { GatewayError } from "../base/errors.ts";
import { checkOptions } from "../base/options.ts";
import type { Received } from "../remote/types.ts";
import type { Gateway, TerminateOptions } from "./gateway.ts";
import type { GatewayChannel, Run } from "./gateway-channel.ts";
import { MultiChannel } from "./multi-channel.ts";
import { begin, GATEWAY_OPTIONS, type GatewayOptions } from "./open.ts";
import type { ModuleFile, SentCode } from "./sent-code.ts";
import { checkSpec, formatSpec, type GatewaySpec, parseSpec } from "./spec.ts";

interface Slot {
  readonly opening: Promise<Gateway>;
  /** Once it is open. */
  gateway: Gateway | undefined;
}

/** Gateways that are used together, and end together. Those that have ended are in it no more. */
export class Group implements Iterable<Gateway>, AsyncDisposable {
  readonly #defaults: GatewayOptions;
  /** By id, in the order of calls, also those that are being opened. */
  readonly #slots = new Map<string, Slot>();
  #lastNumber = -1;
  #ended = false;

  /** `defaults` hold for every gateway, unless `open` says otherwise. */
  constructor(defaults: GatewayOptions = {}) {
    checkOptions(defaults, GATEWAY_OPTIONS, "Group");
    this.#defaults = defaults;
  }

  get size(): number {
    return [...this].length;
  }

  get(id: string): Gateway | undefined {
    return this.#slots.get(id)?.gateway;
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** Those that are open, in the order in which that was asked for. */
  *[Symbol.iterator](): IterableIterator<Gateway> {
    for (const { gateway } of this.#slots.values()) if (gateway !== undefined) yield gateway;
  }

  /**
   * Opens one more gateway, as `openGateway`. One without an id gets the next of `gw0`, `gw1` and so on;
   * `via` names another of the group, which may still be opening.
   *
   * @throws GatewayError `GATEWAY_ID_TAKEN`, `GATEWAY_CLOSED` for a group that was terminated; as
   *   `openGateway`
   */
  async open(
    given: string | GatewaySpec = "popen",
    options: GatewayOptions = {},
  ): Promise<Gateway> {
    checkOptions(options, GATEWAY_OPTIONS, "group.open");
    this.#assertOpen();
    const spec = typeof given === "string" ? parseSpec(given) : checkSpec(given);
    const id = spec.id ?? this.#nextId();
    if (this.#slots.has(id)) {
      throw new GatewayError("GATEWAY_ID_TAKEN", `the group has a gateway ${id} already`);
    }
    // Taken before anything is waited for.
    const opening = this.#open(spec, id, { ...this.#defaults, ...options });
    const slot: Slot = { opening, gateway: undefined };
    this.#slots.set(id, slot);
    try {
      const gateway = await opening;
      slot.gateway = gateway;
      void gateway.closed.then(() => this.#slots.delete(id));
      if (this.#ended) gateway.exit();
      this.#assertOpen();
      return gateway;
    } catch (error) {
      if (slot.gateway === undefined) this.#slots.delete(id);
      throw error;
    }
  }

  /** Runs code on every gateway; see `Gateway.exec`. */
  exec<Args extends readonly unknown[], Result, Item = unknown>(
    code: (channel: GatewayChannel<Item>, ...args: Args) => Result,
    args?: Args,
    options?: AbortOptions,
  ): MultiChannel<unknown, Run<Received<Awaited<Result>, "copy">>>;
  exec<Result = unknown>(
    code: string | ModuleFile,
    args?: readonly unknown[],
    options?: AbortOptions,
  ): MultiChannel<unknown, Run<Result>>;
  exec(code: SentCode, args: readonly unknown[] = [], options: AbortOptions = {}): MultiChannel {
    const runs = [...this].map((gateway) => gateway.exec(code as string, args, options));
    return new MultiChannel(runs);
  }

  /**
   * Ends all gateways, and those first that were started via others; see `Gateway.terminate`, also for
   * how long it takes at most, which is once for each step of a chain. No more can be opened then.
   *
   * @throws GatewayError `GATEWAY_STUCK`, after all have been tried
   */
  async terminate(options: TerminateOptions = {}): Promise<void> {
    this.#ended = true;
    await Promise.allSettled(Array.from(this.#slots.values(), ({ opening }) => opening));
    const stuck = new Map<string, unknown>();
    const all = [...this];
    const left = new Set(all);
    while (left.size > 0) {
      const needed = new Set(Array.from(left, ({ spec }) => spec.via));
      const last = [...left].filter(({ id }) => !needed.has(id));
      await Promise.all(
        last.map(async (gateway) => {
          left.delete(gateway);
          try {
            await gateway.terminate(options);
          } catch (error) {
            stuck.set(gateway.id, error);
          }
          // Those that were started from there, and could not be reached through it, end with it.
          for (const { id, spec } of all) {
            if (spec.via === gateway.id && !stuck.has(gateway.id)) stuck.delete(id);
          }
        }),
      );
    }
    for (const error of stuck.values()) throw error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminate();
  }

  async #open(spec: GatewaySpec, id: string, options: GatewayOptions): Promise<Gateway> {
    if (spec.via === undefined) return await begin(spec, id, { ...options, via: undefined });
    const via = await this.#slots.get(spec.via)?.opening;
    if (via === undefined) {
      const says = `${formatSpec(spec)}: the group has no gateway ${spec.via}`;
      throw new GatewayError("GATEWAY_BAD_SPEC", says);
    }
    return await begin(spec, id, { ...options, via });
  }

  #nextId(): string {
    let id: string;
    do id = `gw${++this.#lastNumber}`;
    while (this.#slots.has(id));
    return id;
  }

  #assertOpen(): void {
    if (this.#ended) throw new GatewayError("GATEWAY_CLOSED", "the group was terminated");
  }
}
