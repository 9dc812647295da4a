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

/** Gateways that are used together, and end together. Those that have ended are in it no more. */
export class Group implements Iterable<Gateway>, AsyncDisposable {
  readonly #defaults: GatewayOptions;
  readonly #gateways = new Map<string, Gateway>();
  /** Ids that are taken, also by gateways that are being opened. */
  readonly #opening = new Map<string, Promise<Gateway>>();
  #lastNumber = -1;
  #ended = false;

  /** `defaults` hold for every gateway, unless `open` says otherwise. */
  constructor(defaults: GatewayOptions = {}) {
    checkOptions(defaults, GATEWAY_OPTIONS, "Group");
    this.#defaults = defaults;
  }

  get size(): number {
    return this.#gateways.size;
  }

  get(id: string): Gateway | undefined {
    return this.#gateways.get(id);
  }

  has(id: string): boolean {
    return this.#gateways.has(id);
  }

  /** In the order in which they were opened. */
  [Symbol.iterator](): IterableIterator<Gateway> {
    return this.#gateways.values();
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
    if (this.#isTaken(id)) {
      throw new GatewayError("GATEWAY_ID_TAKEN", `the group has a gateway ${id} already`);
    }
    // Taken before anything is waited for.
    const opening = this.#open(spec, id, { ...this.#defaults, ...options });
    this.#opening.set(id, opening);
    try {
      const gateway = await opening;
      this.#assertOpen();
      this.#gateways.set(id, gateway);
      void gateway.closed.then(() => this.#gateways.delete(id));
      return gateway;
    } catch (error) {
      void opening.then(
        (gateway) => gateway.exit(),
        () => {},
      );
      throw error;
    } finally {
      this.#opening.delete(id);
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
    await Promise.allSettled(this.#opening.values());
    const failed: unknown[] = [];
    const left = new Set(this.#gateways.values());
    while (left.size > 0) {
      const needed = new Set(Array.from(left, ({ spec }) => spec.via));
      const last = [...left].filter(({ id }) => !needed.has(id));
      const results = await Promise.allSettled(last.map((gateway) => gateway.terminate(options)));
      for (const result of results) if (result.status === "rejected") failed.push(result.reason);
      for (const gateway of last) left.delete(gateway);
    }
    if (failed.length > 0) throw failed[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminate();
  }

  async #open(spec: GatewaySpec, id: string, options: GatewayOptions): Promise<Gateway> {
    if (spec.via === undefined) return await begin(spec, id, { ...options, via: undefined });
    const via = this.#gateways.get(spec.via) ?? (await this.#opening.get(spec.via));
    if (via === undefined) {
      const says = `${formatSpec(spec)}: the group has no gateway ${spec.via}`;
      throw new GatewayError("GATEWAY_BAD_SPEC", says);
    }
    return await begin(spec, id, { ...options, via });
  }

  #nextId(): string {
    let id: string;
    do id = `gw${++this.#lastNumber}`;
    while (this.#isTaken(id));
    return id;
  }

  #isTaken(id: string): boolean {
    return this.#gateways.has(id) || this.#opening.has(id);
  }

  #assertOpen(): void {
    if (this.#ended) throw new GatewayError("GATEWAY_CLOSED", "the group was terminated");
  }
}
