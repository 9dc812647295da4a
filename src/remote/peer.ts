import { deferred } from "../base/deferred.ts";
import { ChannelError, RemoteError } from "../base/errors.ts";
import { Lifecycle } from "../base/lifecycle.ts";
import type { Channel } from "../channel/channel.ts";
import { createByteCalls } from "./byte-calls.ts";
import { byRef } from "./by-value.ts";
import { Call, type Caller, type RemotePromise, type Request } from "./call.ts";
import { closeWithin } from "./close-within.ts";
import { Deadlines } from "./deadlines.ts";
import type { PlainMode } from "./codec.ts";
import { broken, type SessionEnd } from "./session-end.ts";
import type { EvaluateOptions } from "./evaluate.ts";
import { Imported, Shape } from "./imports.ts";
import { Outbox } from "./outbox.ts";
import type { PeerOptions } from "./peer-options.ts";
import { checkedName, Operation, ROOT_ID, type SessionLimits } from "./protocol.ts";
import { QuietCalls } from "./quiet.ts";
import { Receiver } from "./receiver.ts";
import { Reporter } from "./reporter.ts";
import { runScope, scopeOf } from "./scopes.ts";
import { Sender } from "./sender.ts";
import { type Incoming, Serving } from "./serving.ts";
import type { Session } from "./session.ts";
import { type CodecParts, createDecoder, createEncoder } from "./session-codec.ts";
import { type SessionStats, statsOf } from "./stats.ts";
import { stubOf } from "./stub-handle.ts";
import { Stub } from "./stub.ts";
import { Tables } from "./tables.ts";
import { guarded } from "./trace.ts";
import type { RemoteNamed } from "./types.ts";
import { ValueClasses } from "./value-classes.ts";

/** A session whose hello is done. */
export class Peer implements Session, Caller {
  readonly peerName: string;
  readonly #channel: Channel;
  readonly #options: PeerOptions;
  readonly #tables: Tables;
  readonly #outbox: Outbox;
  readonly #sender: Sender;
  readonly #reporter: Reporter;
  readonly #serving: Serving;
  readonly #receiver: Receiver;
  readonly #root: Stub;
  readonly #deadlines: Deadlines;
  #isAlive = true;
  readonly #quiet = new QuietCalls((ids) => this.#sender.finish(ids));
  readonly #ended = deferred<Error | undefined>();
  readonly closed: Promise<Error | undefined> = this.#ended.promise;
  readonly #listeners = new Set<(error: unknown) => void>();
  readonly #life = new Lifecycle<"open" | "closing" | "closed">("open", {
    open: ["closing", "closed"],
    closing: ["closed"],
    closed: [],
  });
  /** What calls fail with from the end on that was about to leave. */
  #ending: RemoteError | undefined;
  #brokenBy: { readonly error: unknown } | undefined;
  #closing: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(channel: Channel, peerName: string, options: PeerOptions) {
    const { limits, exports = {}, policy = "capability", log } = options;
    this.#channel = channel;
    this.#options = { ...options, trace: guarded(options.trace, log) };
    this.peerName = peerName;
    const root = Object.freeze(Object.assign(Object.create(null) as object, exports));
    this.#tables = new Tables(root, limits.maxExports, {
      collected: (imported) => this.release(imported),
      settled: (id, fulfilled, value) => this.#reporter.settled(id, fulfilled, value),
      aborted: (id, reason) => this.#reporter.aborted(id, reason),
    });
    this.#outbox = new Outbox(channel, limits, {
      beforeFlush: () => {
        this.#quieten();
        this.#sender.writeReleases();
        this.#updateAlive();
      },
      error: (cause) => this.#unsendable(cause),
    });
    const values = new ValueClasses(options.valueClasses ?? [], options.peerValues ?? []);
    const codec = { caller: this, tables: this.#tables, values, options };
    this.#sender = new Sender(this.#outbox, createEncoder(codec), this.#options.trace);
    this.#reporter = new Reporter({
      sender: this.#sender,
      signals: this.#tables.signals,
      log,
      onError: options.onError,
      unsentBytes: () => this.#outbox.unsentBytes,
      answered: () => this.#checkIdle(),
      failed: (error) => this.abort(error as Error),
    });
    this.#serving = new Serving(policy, this.#tables.exports, this.#reporter, limits);
    if (options.peerBlocks === true) this.#sender.chain = this.#serving.serveBlocked();
    this.#receiver = this.#createReceiver(codec, limits);
    this.#deadlines = new Deadlines({
      clock: options.clock,
      defaultMs: options.flavour === undefined ? options.timeoutMs : undefined,
      pending: this.#tables.pending,
      giveUp: (call, reason) => this.#giveUp(call, reason),
    });
    this.#root = new Stub(new Imported(this, ROOT_ID, Shape.object), undefined, []);
    const send = (call: Call, request: Request): unknown => this.#send(call, request);
    createByteCalls(this, { target: this.#root.target, serving: this.#serving, send });
    void channel.closed.then((cause) => this.#channelBroke("the channel closed", cause));
    this.#updateAlive();
  }

  remote<T, Mode extends PlainMode = "reference">(name: string): RemoteNamed<T, Mode> {
    return this.#root.member(checkedName(name)) as RemoteNamed<T, Mode>;
  }

  async names(): Promise<string[]> {
    return (await this.#root.request(Operation.keys, [])) as string[];
  }

  onBroken(listener: (error: unknown) => void): Disposable {
    if (this.#brokenBy !== undefined) listener(this.#brokenBy.error);
    else if (this.#life.state !== "closed") this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  evaluate(source: string, { scope = {} }: EvaluateOptions = {}): Promise<unknown> {
    const sent = stubOf(scope) === undefined ? byRef(scope) : scope;
    return this.#root.request(Operation.evaluate, [source, sent]);
  }

  scope<T>(body: () => T | Promise<T>): Promise<T> {
    return runScope(this, body);
  }

  stats(): SessionStats {
    return statsOf({
      tables: this.#tables,
      serving: this.#serving,
      sender: this.#sender,
      outbox: this.#outbox,
      receiver: this.#receiver,
    });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#closeInOrder());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  abort(error: Error): void {
    this.#abort(error, error);
  }

  #abort(error: Error, told: unknown): void {
    if (this.#life.state === "closed") return;
    try {
      this.#sender.broken(told);
      this.#outbox.flush();
    } catch {
      // The peer learns from the end of the channel.
    }
    this.#endWith(error, broken("the session was aborted", error));
    void this.#closeChannel();
  }

  request(request: Request): RemotePromise<unknown> {
    const call = new Call(this);
    if (this.#send(call, request) && this.#options.callSites === true) {
      call.site = new Error("here").stack;
    }
    return call.promise;
  }

  /** As `request`, sent now, for whoever blocks until it is settled, and on behalf of a chain. */
  requestNow(request: Request, chain: number): Call {
    const call = new Call(this);
    call.observed = true;
    const before = this.#sender.chain;
    this.#sender.chain = chain;
    if (this.#send(call, request)) this.#outbox.flush();
    this.#sender.chain = before;
    return call;
  }

  get isWaitedFor(): boolean {
    return !this.#isIdle() || this.#tables.promises.size > 0;
  }

  flush(): void {
    this.#outbox.flush();
  }

  lost(cause: ChannelError | undefined): void {
    this.#channelBroke("the channel closed", cause);
  }

  release(imported: Imported): void {
    if (imported.id === ROOT_ID || !this.#tables.imports.release(imported)) return;
    this.#sender.give(imported.id, imported.count);
  }

  keep(call: Call): boolean {
    if (call.state !== "pending") return false;
    call.kept ||= this.#sender.keep(call);
    return call.kept;
  }

  pull(call: Call): void {
    const asked = new Call(this);
    this.#send(asked, { operation: Operation.get, target: call, path: [], operands: [] });
    asked.whenSettled(() => {
      if (asked.state === "fulfilled") call.fulfill(asked.outcome);
      else call.fail(asked.outcome);
    });
  }

  /** Obeys one message. Whatever is wrong with it ends the session. */
  receive(message: Uint8Array): void {
    try {
      this.#receiver.receive(message);
    } catch (error) {
      this.#abort(error as Error, this.#reporter.shown(error));
    }
    this.#updateAlive();
  }

  /** Waits no more for what nobody here waits for. */
  #quieten(): void {
    const calls = this.#sender.takeQuiet(this.#quiet.hasRoom);
    for (const call of calls) {
      this.#tables.pending.take(call.id);
      this.#quiet.add(call);
    }
  }

  #createReceiver(codec: CodecParts, limits: SessionLimits): Receiver {
    const { flavour } = this.#options;
    const serving = this.#serving;
    const decoder = createDecoder(codec, serving);
    const parts = { tables: this.#tables, decoder, serving, sender: this.#sender };
    return new Receiver(parts, limits, {
      trace: this.#options.trace,
      request: (incoming, chain) => this.#serve(incoming, chain),
      aborted: (tell) => (flavour === undefined ? tell() : flavour.soon(tell)),
      answered: () => this.#checkIdle(),
      bye: () => this.#peerClosed(),
      broken: (reason) => this.#peerAborted(reason),
    });
  }

  #serve(incoming: Incoming, chain: number): void {
    if (chain !== 0) this.#channel.expectMore?.(); // Whoever asks on behalf of a chain blocks.
    const { flavour } = this.#options;
    if (flavour !== undefined) return flavour.serve(incoming, chain, this.#serving);
    const before = this.#sender.chain;
    this.#sender.chain = chain;
    this.#serving.serve(incoming);
    this.#sender.chain = before;
  }

  /** False where it failed at once. */
  #send(call: Call, request: Request): boolean {
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      call.fail(refusal);
      return false;
    }
    try {
      this.#sender.request(call, request);
    } catch (error) {
      call.fail(error);
      return false;
    }
    if (this.#ending !== undefined) {
      // What was to leave was too much for the channel.
      call.fail(this.#ending);
      return false;
    }
    call.scope = scopeOf(this);
    this.#tables.pending.set(call.id, call);
    this.#deadlines.begin(call, (call.limit = request.limit));
    return true;
  }

  /** The answer, if it comes, finds nobody; what is in it is given back. */
  #giveUp(call: Call, reason: unknown): void {
    if (this.#tables.pending.take(call.id) === undefined) return;
    this.#tables.givenUp.add(call.id);
    if (call.kept) this.#sender.finish([call.id]);
    call.fail(reason);
    this.#checkIdle();
  }

  /** Holds the process while somebody waits, where that is asked for. */
  #updateAlive(): void {
    if (this.#options.unref !== true || this.#life.state === "closed") return;
    const on = this.#life.state === "closing" || this.isWaitedFor;
    if (on === this.#isAlive) return;
    this.#isAlive = on;
    this.#channel.keepAlive?.(on);
  }

  #refusalOf({ target, limit }: Request): unknown {
    if (this.#life.state !== "open") {
      const cause = this.#brokenBy?.error;
      return new RemoteError("REMOTE_CLOSED", "the session is closed", { cause });
    }
    if (target instanceof Imported && target.released) return target.releasedError();
    if (typeof limit === "object" && limit.aborted) return limit.reason as unknown;
    const { maxPendingCalls, maxUnsentBytes } = this.#options.limits;
    if (this.#tables.pending.size + this.#tables.givenUp.size >= maxPendingCalls) {
      return new RemoteError("REMOTE_LIMIT", `${maxPendingCalls} calls wait for an answer already`);
    }
    if (this.#outbox.unsentBytes > maxUnsentBytes) {
      return new RemoteError("REMOTE_LIMIT", `the peer leaves ${maxUnsentBytes} bytes unread`);
    }
    return undefined;
  }

  async #closeInOrder(): Promise<void> {
    if (this.#life.state === "closed") return;
    this.#life.to("closing");
    this.#updateAlive();
    const { clock, limits } = this.#options;
    const late = deferred<void>();
    using _timer = clock.after(limits.closeGraceMs, late.resolve);
    if (!this.#isIdle()) {
      const idle = deferred<void>();
      this.#whenIdle = idle.resolve;
      await Promise.race([idle.promise, late.promise]);
    }
    if (this.#ending !== undefined) return;
    this.#sender.bye();
    await Promise.race([this.#outbox.emptied(), late.promise]);
    const error = new RemoteError("REMOTE_CLOSED", "the session was closed");
    this.#end({ closed: undefined, pending: error, brokenBy: undefined });
    await this.#closeChannel();
  }

  #isIdle(): boolean {
    return this.#tables.pending.size === 0 && this.#serving.running === 0;
  }

  #checkIdle(): void {
    this.#updateAlive();
    if (this.#whenIdle !== undefined && this.#isIdle()) this.#whenIdle();
  }

  #peerClosed(): void {
    const error = new RemoteError("REMOTE_CLOSED", "the peer closed the session");
    this.#end({ closed: undefined, pending: error, brokenBy: { error } });
    void this.#closeChannel();
  }

  #peerAborted(reason: unknown): void {
    this.#endWith(reason, broken("the peer aborted the session", reason));
    void this.#closeChannel();
  }

  #channelBroke(what: string, cause: unknown): void {
    const error = broken(what, cause);
    this.#endWith(error, error);
  }

  /** What waits is never going to leave, so that there is nobody to say goodbye to. */
  #unsendable(cause: unknown): void {
    this.#channelBroke("a message can't be sent", cause);
    const says = "the session ended because a message can't be sent";
    this.#channel.abort(new ChannelError("CHANNEL_CLOSED", says, { cause }));
  }

  #endWith(reason: unknown, pending: RemoteError): void {
    const closed = reason instanceof Error ? reason : pending;
    this.#end({ closed, pending, brokenBy: { error: reason } });
  }

  /** The one way out: nothing is sent, obeyed or held from here on. */
  #end(end: SessionEnd): void {
    if (this.#life.state === "closed") return;
    this.#life.to("closed");
    this.#brokenBy = end.brokenBy;
    this.#ending = end.pending;
    this.#receiver.stop();
    this.#reporter.stop();
    this.#outbox.close();
    this.#deadlines.stop();
    this.#serving.stop();
    this.#tables.clear(end.pending);
    this.#whenIdle?.();
    this.#ended.resolve(end.closed);
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    if (end.brokenBy !== undefined) for (const listener of listeners) listener(end.brokenBy.error);
  }

  #closeChannel(): Promise<void> {
    return closeWithin(this.#channel, this.#options.clock, this.#options.limits.closeGraceMs);
  }
}
