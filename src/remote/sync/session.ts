import { systemClock } from "../../base/clock.ts";
import { BanyanError, RemoteError } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import type { BlockingChannel } from "../../channel/channel.ts";
import type { Call, Caller, Request } from "../call.ts";
import type { Flavour } from "../flavour.ts";
import { encodeRefusal, type Hello } from "../handshake.ts";
import { type Heartbeat, heartbeatOf, MIN_BEAT_MS } from "../heartbeat.ts";
import { Imported, Shape } from "../imports.ts";
import { Opening } from "../opening.ts";
import { Peer } from "../peer.ts";
import { checkedName, limitsOf, Operation, ROOT_ID, type SessionLimits } from "../protocol.ts";
import type { Reflection } from "../reflect.ts";
import type { Incoming, Serving } from "../serving.ts";
import type { SessionStats } from "../stats.ts";
import { stubOf } from "../stub-handle.ts";
import { checkSyncOptions, SYNC_SESSION_OPTIONS, type SyncSessionOptions } from "./options.ts";
import { OutwardChannel } from "./outward.ts";
import { type Asker, SyncProxy } from "./proxy.ts";
import { syncThread } from "./thread.ts";
import { ReceivedTypes } from "./types.ts";

/**
 * A session whose remote objects are used like local ones: reading a property, calling a function,
 * `for..of` and all else blocks this thread until the other side has answered. Meanwhile the thread
 * serves those who wait for it in the same way, so that callbacks work, and callbacks of callbacks;
 * everything else waits for the event loop.
 *
 * Where the other side has such a session too, both see each other's objects so. Where it has one of
 * `openSession`, it sees ours as stubs, and a callback of ours as a function that returns a promise.
 */
export interface SyncSession extends Disposable {
  /** What the peer calls itself; waits for its hello. */
  readonly peerName: string;

  /** Settles when it has ended, and never rejects: `undefined` after an orderly close by either side. */
  readonly closed: Promise<Error | undefined>;

  /**
   * What the peer offers under `name`. A promise is waited for.
   *
   * @throws RemoteError `REMOTE_NOT_FOUND`; as every use of a remote object: `REMOTE_TIMEOUT`,
   *   `REMOTE_CLOSED`, `REMOTE_BROKEN`, `REMOTE_DENIED`, `REMOTE_LIMIT` where calls are nested too
   *   deeply; a TypeError on a thread that must not block
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the caller knows it
  remote<T>(name: string): T;

  /** What the peer offers. */
  names(): string[];

  /** Runs `body`; each use of a remote object within may take so long. */
  withTimeout<T>(ms: number, body: () => T): T;

  /**
   * Runs `body`, and gives back at its end every reference that came meanwhile, but for its result.
   * Nothing is collected while a job runs: a loop that touches many remote objects holds them all
   * without this.
   */
  scope<T>(body: () => T): T;

  stats(): SessionStats;

  /** Tells the peer, and ends it. Calls that wait, fail. */
  close(): void;
}

/**
 * Opens a session over a channel, which belongs to it from here on. Does not wait for the peer: that
 * does the first use. `opened` is called when the peer has said hello.
 *
 * @throws TypeError, RangeError for options that a session does not have
 */
export function openSyncSession(
  channel: BlockingChannel,
  options: SyncSessionOptions = {},
  opened: (session: SyncSession) => void = ignore,
): SyncSession {
  try {
    checkSyncOptions(options, SYNC_SESSION_OPTIONS, "a sync session");
  } catch (error) {
    void channel[Symbol.asyncDispose]();
    throw error;
  }
  return new SyncPeer(channel, options, opened);
}

/**
 * Fails whatever would block this thread, until disposed of: for threads that must not miss anything,
 * as one that renews a lease.
 */
export function refuseBlocking(why: string): Disposable {
  return syncThread.refuse(why);
}

function ignore(): void {}

const DEFAULT_TIMEOUT_MS = 30_000;

type Beginning = { readonly error: RemoteError } | { readonly peer: Peer } | undefined;

class SyncPeer implements SyncSession, Asker, Flavour {
  readonly closed: Promise<Error | undefined>;
  readonly #channel: BlockingChannel;
  readonly #options: SyncSessionOptions;
  readonly #limits: SessionLimits;
  readonly #heartbeat: Heartbeat;
  readonly #opening: Opening;
  #begun: Beginning;
  #hello: Hello | undefined;
  #root: Imported | undefined;
  heard = 0;
  #isAlive = false;
  #scopes: Imported[][] = [];

  constructor(
    channel: BlockingChannel,
    options: SyncSessionOptions,
    opened: (session: SyncSession) => void,
  ) {
    const { name = "", credentials, valueClasses = [] } = options;
    this.#channel = channel;
    channel.keepAlive(false);
    this.#options = options;
    this.#limits = limitsOf(options.limits);
    this.#heartbeat = heartbeatOf(channel, options.heartbeat);
    this.#opening = new Opening(channel, options.authenticate, {
      opened: (hello) => {
        this.#open(hello);
        syncThread.soon(() => opened(this));
      },
      failed: (error) => this.#refuse(error),
    });
    this.closed = this.#settled();
    this.#opening.begin({
      name,
      maxMessageBytes: this.#limits.maxMessageBytes,
      credentials,
      values: valueClasses.map((valueClass) => valueClass.name),
      proxies: true,
      types: true,
      beatMs: this.#heartbeat.idleMs,
    });
    channel.receive((message) => this.#receive(message));
  }

  get peerName(): string {
    return this.#peer().peerName;
  }

  get caller(): Caller {
    return this.#peer();
  }

  get peerUsesProxies(): boolean {
    return this.#hello?.proxies === true;
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as above
  remote<T>(name: string): T {
    return this.#askRoot(Operation.get, [checkedName(name)]) as T;
  }

  names(): string[] {
    return this.#askRoot(Operation.keys, []) as string[];
  }

  withTimeout<T>(ms: number, body: () => T): T {
    return syncThread.withTimeout(ms, body);
  }

  scope<T>(body: () => T): T {
    const received: Imported[] = [];
    this.#scopes.push(received);
    let result: T | undefined;
    try {
      result = body();
      return result;
    } finally {
      this.#scopes.splice(this.#scopes.indexOf(received), 1);
      this.#leave(received, SyncProxy.of(result)?.target);
    }
  }

  stats(): SessionStats {
    return this.#peer().stats();
  }

  close(): void {
    const { peer } = this.#peerIfOpen();
    if (peer === undefined) {
      this.#refuse(new RemoteError("REMOTE_CLOSED", "the session was closed"));
    } else {
      // What it does at once is what matters; the rest goes on by itself.
      void peer.close();
      peer.flush();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  ask(target: Imported, operands: readonly unknown[], path: readonly string[]): unknown {
    const reflection = operands[0] as Reflection;
    return this.#request({ operation: Operation.reflect, target, operands, path }, reflection);
  }

  createStub(imported: Imported): object {
    this.#scopes.at(-1)?.push(imported);
    return new SyncProxy(this, imported).proxy;
  }

  createTypes(...parts: ConstructorParameters<typeof ReceivedTypes>): ReceivedTypes {
    return new ReceivedTypes(...parts);
  }

  soon(run: () => void): void {
    syncThread.soon(run);
  }

  serve(incoming: Incoming, chain: number, serving: Serving): void {
    this.heard++;
    // What it is about may be given back before it is served.
    const pinned = serving.pin(incoming);
    const run = (): void => {
      serving.servePinned(pinned);
      const { peer } = this.#peerIfOpen();
      if (peer === undefined) return;
      peer.flush();
      this.#setAlive(peer.isWaitedFor);
    };
    syncThread.soon(() => syncThread.serve({ chain, run, isOver: () => serving.isOver }));
  }

  #askRoot(operation: Operation, path: readonly string[]): unknown {
    this.#root ??= new Imported(this.#peer(), ROOT_ID, Shape.object);
    return this.#request({ operation, target: this.#root, operands: [], path });
  }

  #request(request: Request, reflection?: Reflection): unknown {
    syncThread.assertMayBlock();
    const peer = this.#peer();
    if (syncThread.isReading) {
      throw new TypeError("a remote object was used while a message was being read");
    }
    const call = peer.requestNow(request, syncThread.chain);
    call.reflection = reflection;
    if (call.state === "pending") this.#await(peer, call, request.path);
    if (call.state === "rejected") throw withLocalStack(call.outcome);
    return call.outcome;
  }

  #await(peer: Peer, call: Call, path: readonly string[]): void {
    const ms = syncThread.timeoutMs ?? this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    syncThread.block(this.#channel, () => call.state !== "pending", ms);
    if (call.state !== "pending") return;
    const { ended } = this.#channel;
    if (ended !== undefined) peer.lost(ended.error);
    const what = path.length === 0 ? "a call" : path.join(".");
    // Where it is too late, the answer finds nobody, and what is in it is given back.
    call.fail(new RemoteError("REMOTE_TIMEOUT", `no answer to ${what} within ${ms} ms`));
  }

  /** Waits for the peer's hello, if it has to. */
  #peer(): Peer {
    if (this.#begun === undefined) {
      syncThread.assertMayBlock();
      syncThread.block(this.#channel, () => this.#begun !== undefined, this.#limits.helloMs);
      if (this.#begun === undefined) this.#giveUp();
    }
    return this.#peerOrThrow();
  }

  #peerOrThrow(): Peer {
    const begun = this.#begun;
    if (begun !== undefined && "peer" in begun) return begun.peer;
    throw begun?.error ?? new RemoteError("REMOTE_CLOSED");
  }

  #peerIfOpen(): { readonly peer?: Peer } {
    return this.#begun !== undefined && "peer" in this.#begun ? this.#begun : {};
  }

  #giveUp(): void {
    const { ended } = this.#channel;
    const { helloMs } = this.#limits;
    this.#refuse(
      ended === undefined
        ? new RemoteError("REMOTE_TIMEOUT", `no hello came within ${helloMs} ms`)
        : new RemoteError("REMOTE_BROKEN", "the channel closed before a hello", {
            cause: ended.error,
          }),
    );
  }

  #open(hello: Hello): void {
    this.#hello = hello;
    const maxMessageBytes = Math.min(this.#limits.maxMessageBytes, hello.maxMessageBytes);
    const limits = { ...this.#limits, maxMessageBytes };
    const outward = new OutwardChannel(this.#channel, limits.maxUnsentBytes);
    const peer = new Peer(outward, hello.name, {
      ...this.#options,
      clock: this.#options.clock ?? systemClock,
      log: this.#options.log ?? silentLog,
      limits,
      describes: this.peerUsesProxies,
      tells: hello.types === true,
      flavour: this,
      peerValues: hello.values ?? [],
    });
    this.#begun = { peer };
    if (this.#heartbeat.silentMs > 0) this.#channel.watch(this.#heartbeat.silentMs);
    if (hello.beatMs !== undefined) this.#channel.beat(Math.max(hello.beatMs, MIN_BEAT_MS));
  }

  #refuse(error: unknown): void {
    if (this.#begun !== undefined) return;
    const shown = BanyanError.has(error, "REMOTE_CLOSED") ? error : undefined;
    const refusal =
      error instanceof RemoteError
        ? error
        : new RemoteError("REMOTE_BROKEN", "the session did not open", { cause: error });
    this.#begun = { error: refusal };
    this.#opening.stop();
    if (shown === undefined) this.#opening.send(encodeRefusal(refusal));
    void this.#channel[Symbol.asyncDispose]();
  }

  #receive(message: Uint8Array): void {
    // A beat, which says no more than that somebody is there.
    if (message.length === 0) return;
    const { peer } = this.#peerIfOpen();
    if (peer === undefined) {
      syncThread.read(() => this.#opening.receive(message));
      return;
    }
    syncThread.read(() => peer.receive(message));
    // Nobody else would while the thread blocks.
    peer.flush();
    this.#setAlive(peer.isWaitedFor);
  }

  /** What somebody waits for may come only if this thread lives. */
  #setAlive(on: boolean): void {
    if (this.#isAlive === on) return;
    this.#isAlive = on;
    this.#channel.keepAlive(on);
  }

  async #settled(): Promise<Error | undefined> {
    const cause = await this.#channel.closed;
    const begun = this.#begun;
    if (begun !== undefined && "peer" in begun) return await begun.peer.closed;
    this.#refuse(new RemoteError("REMOTE_BROKEN", "the channel closed before a hello", { cause }));
    return begun?.error ?? cause;
  }

  #leave(received: readonly Imported[], kept: Imported | undefined): void {
    const { peer } = this.#peerIfOpen();
    if (peer === undefined) return;
    for (const imported of received) if (imported !== kept) peer.release(imported);
    peer.flush();
  }
}

/** What ends the stack of an error that came from the other side. */
const REMOTE_FRAME = /\n {4}at remote [^\n]*$/;
/** Of this package's own, between the call and the place that asked for the stack. */
const OWN_FRAMES = 16;
const OWN_FRAME = /[/\\](?:dist|src)[/\\]remote[/\\]sync[/\\]/;

/** More than the engine notes by itself: the first of them are this package's. */
function framesHere(): string[] {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = stackTraceLimit + OWN_FRAMES;
  const { stack } = new Error("here");
  Error.stackTraceLimit = stackTraceLimit;
  return stack?.split("\n").slice(1) ?? [];
}

/** An error that came from the other side says as well where in this thread it was met. */
function withLocalStack(reason: unknown): unknown {
  if (typeof reason !== "object" || reason === null || stubOf(reason) !== undefined) return reason;
  const stack: unknown = Object.getOwnPropertyDescriptor(reason, "stack")?.value;
  if (typeof stack !== "string" || !REMOTE_FRAME.test(stack)) return reason;
  const local = framesHere().filter((frame) => !OWN_FRAME.test(frame));
  const value = [stack, ...local].join("\n");
  Object.defineProperty(reason, "stack", { value, writable: true, configurable: true });
  return reason;
}
