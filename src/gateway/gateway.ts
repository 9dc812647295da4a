import { abortable, type AbortOptions, onAbort } from "../base/abort.ts";
import { BanyanError, GatewayError } from "../base/errors.ts";
import { ABORT_OPTIONS, checkOptions } from "../base/options.ts";
import { byRef } from "../remote/by-value.ts";
import { RemotePromise } from "../remote/call.ts";
import type { EvaluateOptions } from "../remote/evaluate.ts";
import type { Session } from "../remote/session.ts";
import type { Received, Remote, RemoteResult } from "../remote/types.ts";
import type { ChannelTable } from "./channel-table.ts";
import type { FarPort, GatewayInfo, GatewayStatus } from "./far.ts";
import type { GatewayChannel, Run } from "./gateway-channel.ts";
import { endInterpreter, type Interpreter } from "./interpreter.ts";
import type { StartedBy } from "./link.ts";
import { type ModuleFile, programOf, type SentCode } from "./sent-code.ts";
import type { GatewaySide, NamedObjects } from "./side.ts";
import type { GatewaySpec } from "./spec.ts";

export interface TerminateOptions {
  /**
   * How long it may take to end by itself, in milliseconds; default 5,000. After that it is asked by
   * SIGTERM, and two seconds later ended by SIGKILL.
   */
  readonly timeoutMs?: number | undefined;
}

/** What a gateway is made of, once it is open. */
export interface GatewayParts {
  readonly spec: GatewaySpec;
  readonly info: GatewayInfo;
  readonly session: Session;
  readonly port: Remote<FarPort, "copy">;
  readonly interpreter: Interpreter;
  readonly channels: ChannelTable;
  readonly objects: NamedObjects;
  /** Ends what leads there. */
  readonly release: () => Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 5_000;

/**
 * An interpreter elsewhere that runs what it is sent. It keeps this program running until it is
 * terminated, and ends by itself when this program does, however that happens.
 */
export class Gateway implements GatewaySide, AsyncDisposable {
  readonly id: string;
  readonly spec: GatewaySpec;
  /** What the other side said of itself at the beginning. */
  readonly info: GatewayInfo;
  /** The remote objects' own handle: statistics, `scope`, `onBroken`. */
  readonly session: Session;
  /** Settles when the gateway has ended, and never rejects: `undefined` where that was asked for. */
  readonly closed: Promise<Error | undefined>;
  readonly #parts: GatewayParts;
  #runs = 0;
  #ending: Promise<void> | undefined;
  #asked = false;

  /** @private */
  constructor(id: string, parts: GatewayParts) {
    this.id = id;
    this.#parts = parts;
    this.spec = parts.spec;
    this.info = parts.info;
    this.session = parts.session;
    this.closed = this.#close();
  }

  /**
   * Runs code over there. Source is an expression or the body of an async function with the variables
   * `channel`, `args` and `require`, and may begin with imports; a function gets the channel and then
   * the arguments; so does what a module exports as default. Imports are looked for over there, from
   * where the far side works. What it returns is the run's `result`.
   *
   * The signal gives the run up: its channel is closed with the reason, which aborts `channel.signal`
   * over there.
   *
   * @throws GatewayError `GATEWAY_SOURCE`, `GATEWAY_CLOSED`; WireError for arguments that can't cross
   */
  exec<Args extends readonly unknown[], Result, Item = unknown>(
    code: (channel: GatewayChannel<Item>, ...args: Args) => Result,
    args?: Args,
    options?: AbortOptions,
  ): Run<Received<Awaited<Result>, "copy">>;
  exec<Result = unknown>(
    code: string | ModuleFile,
    args?: readonly unknown[],
    options?: AbortOptions,
  ): Run<Result>;
  exec(code: SentCode, args: readonly unknown[] = [], options: AbortOptions = {}): Run {
    checkOptions(options, ABORT_OPTIONS, "gateway.exec");
    options.signal?.throwIfAborted();
    this.#assertOpen();
    const program = programOf(code, `${this.id}/exec-${++this.#runs}`);
    const run = this.#parts.channels.createRun<unknown, unknown>();
    const call = RemotePromise.callOf(this.#parts.port.exec(run.id, program, args));
    if (call === undefined) throw new TypeError("a session answers by calls");
    const settle = (): void => {
      this.#parts.channels.forget(run.id);
      if (call.state === "fulfilled") run.succeeded(call.outcome);
      else run.failed(this.#shown(call.outcome));
    };
    if (call.state === "rejected") {
      settle();
      throw call.outcome as Error;
    }
    const { signal } = options;
    const listener =
      signal === undefined ? undefined : onAbort(signal, () => run.giveUp(signal.reason));
    call.observe();
    call.whenSettled(() => {
      listener?.[Symbol.dispose]();
      settle();
    });
    return run;
  }

  /** The value of an expression, or of a body, over there; `scope`'s properties are its variables. */
  evaluate(source: string, options: EvaluateOptions = {}): Promise<unknown> {
    this.#assertOpen();
    const { scope } = options;
    return this.#parts.port.evaluate(source, scope === undefined ? undefined : byRef(scope));
  }

  /**
   * A module of the far side, by reference: `node:fs/promises`, a package there, a path from where it
   * works. May be used before it is there.
   */
  import<T>(specifier: string): RemoteResult<T, "copy"> {
    this.#assertOpen();
    return this.#parts.port.import(specifier) as RemoteResult<T, "copy">;
  }

  remote<T>(name: string): RemoteResult<T, "copy"> {
    this.#assertOpen();
    return this.#parts.port.named(name) as RemoteResult<T, "copy">;
  }

  async names(): Promise<string[]> {
    this.#assertOpen();
    return await this.#parts.port.names();
  }

  expose(name: string, object: unknown): void {
    this.#parts.objects.set(name, object);
  }

  /** A channel that no code has the other end of yet: pass it as an argument, or in an item. */
  newChannel<Item = unknown>(): GatewayChannel<Item> {
    this.#assertOpen();
    return this.#parts.channels.create() as unknown as GatewayChannel<Item>;
  }

  /**
   * What it is doing. While code keeps the far side from answering, this waits, as everything does that
   * is asked of it; the signal gives that up.
   */
  async status(options: AbortOptions = {}): Promise<GatewayStatus> {
    checkOptions(options, ABORT_OPTIONS, "gateway.status");
    this.#assertOpen();
    return await abortable(Promise.resolve(this.#parts.port.status()), options.signal);
  }

  /** Asks it to end, and doesn't wait; see `terminate`. */
  exit(): void {
    void this.terminate().catch(() => {});
  }

  /**
   * Ends it: its runs are told, and what doesn't end by itself is ended. Takes `timeoutMs` and four
   * seconds at most, whatever it does. Idempotent.
   *
   * @throws GatewayError `GATEWAY_STUCK` where it is not known to have ended even then
   */
  terminate({ timeoutMs = DEFAULT_TIMEOUT_MS }: TerminateOptions = {}): Promise<void> {
    this.#asked = true;
    this.#ending ??= this.#end(timeoutMs);
    return this.#ending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminate();
  }

  /** For gateways that are started from there. @private */
  get starts(): StartedBy {
    const { session, port } = this.#parts;
    return { session, starter: port.starter() as never };
  }

  async #end(graceMs: number): Promise<void> {
    const { session, interpreter, release } = this.#parts;
    const { pending, serving } = session.stats();
    // What still runs there would be waited for.
    if (pending + serving === 0) void session.close();
    else session.abort(terminated(this.id));
    const isOver = await endInterpreter(interpreter, { graceMs });
    await release();
    if (isOver) return;
    const says = `gateway ${this.id} (${interpreter.label}) does not end`;
    throw new GatewayError("GATEWAY_STUCK", says);
  }

  async #close(): Promise<Error | undefined> {
    const { session, channels } = this.#parts;
    const error = await session.closed;
    const wanted = this.#asked;
    channels.endAll(wanted ? terminated(this.id) : error);
    // One that has ended by itself may have left a process behind.
    this.#ending ??= this.#end(DEFAULT_TIMEOUT_MS);
    try {
      await this.#ending;
    } catch (stuck) {
      return stuck as Error;
    }
    return wanted ? undefined : error;
  }

  /** What ends together with the gateway says so. */
  #shown(error: unknown): unknown {
    return this.#asked && BanyanError.has(error, "REMOTE_BROKEN") ? terminated(this.id) : error;
  }

  #assertOpen(): void {
    if (this.#ending === undefined) return;
    throw new GatewayError("GATEWAY_CLOSED", `gateway ${this.id} has ended`);
  }
}

function terminated(id: string): GatewayError {
  return new GatewayError("GATEWAY_CLOSED", `gateway ${id} was terminated`);
}
