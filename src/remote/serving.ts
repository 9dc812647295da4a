import { RemoteError } from "../base/errors.ts";
import { IdTable } from "../base/id-table.ts";
import { type BytesTaker, incomingBytes } from "./byte-calls.ts";
import { RemotePromise } from "./call.ts";
import type { ReceivedTarget } from "./codec.ts";
import { PendingOperand } from "./decoder.ts";
import type { ExportTable } from "./exports.ts";
import { bare, isThenable } from "./marks.ts";
import { perform } from "./perform.ts";
import { checkOperand, type Policy } from "./policy.ts";
import { Operation, ROOT_ID, type SessionLimits } from "./protocol.ts";
import { Promised, type Result, valueOf } from "./promised.ts";
import { Work } from "./work.ts";

/** A request of the peer's, with everything it refers to taken hold of. */
export interface Incoming {
  readonly id: number;
  readonly operation: Operation;
  /** Whether later requests may refer to the result. */
  readonly keep: boolean;
  /** Whether nobody waits for it. */
  readonly quiet: boolean;
  readonly target: ReceivedTarget;
  readonly path: readonly string[];
  readonly operands: unknown[];
  /** The signals that came with it, by id. */
  readonly signals: readonly number[] | undefined;
  /** Of one that waits to be served: where those that refer to its result find it. */
  readonly promised?: Promised | undefined;
}

/** Where the outcome of a request goes. */
export interface Replies {
  /** Bytes that wait because the peer doesn't read. */
  readonly unsentBytes: number;
  /** False where the value could not be sent, and the peer was told why. */
  answer(incoming: Incoming, value: unknown): boolean;
  fail(incoming: Incoming, reason: unknown): void;
  /** It has ended, and the peer doesn't want to know. */
  silent(incoming: Incoming): void;
}

/** Not one that a thread comes to by counting. */
const OWN_CHAIN = 2 ** 31 - 1;

/** Serves the peer's requests: at once and in order, but for those that have to wait for something. */
export class Serving {
  readonly #policy: Policy;
  readonly #exports: ExportTable;
  readonly #replies: Replies;
  readonly #limits: SessionLimits;
  readonly #work: Work | undefined;
  /** Of requests that others may refer to, until the peer finishes with them. */
  readonly #results = new IdTable<Result>();
  /** Of those that are done, and that the peer has no answer to. */
  readonly #lent = new IdTable<Result>();
  #bytesTaker: BytesTaker | undefined;
  #stopped = false;
  /** Requests that were pinned, and not served yet. */
  #pinned = 0;
  /** Requests received so far. */
  received = 0;
  /** Requests that are not answered yet. */
  running = 0;
  #settles = false;

  constructor(policy: Policy, exports: ExportTable, replies: Replies, limits: SessionLimits) {
    this.#policy = policy;
    this.#exports = exports;
    this.#replies = replies;
    this.#limits = limits;
    // Who is trusted may let this side work as long as they like.
    this.#work = policy === "trusted" ? undefined : new Work(limits.maxItems);
  }

  /** A message begins: what it makes this side do is counted anew. */
  begin(): void {
    this.#work?.begin();
  }

  /** Results that are kept for requests to come, or not there yet. */
  get waitedFor(): number {
    return this.#results.size;
  }

  /** Results that the peer may ask for at any time. */
  get lent(): number {
    return this.#lent.size;
  }

  /**
   * The peer's thread blocks: it is answered with what a promise settles with, never with the promise.
   * Returns the chain for requests to it: one without a chain it would leave to its event loop.
   */
  serveBlocked(): number {
    this.#settles = true;
    return OWN_CHAIN;
  }

  serve(incoming: Incoming): void {
    this.running++;
    let outcome: unknown;
    let promise: Promise<unknown> | undefined;
    try {
      outcome = this.#begin(incoming);
      // Whoever wrote a `then` that is no promise's may call back twice, or never.
      const waits = this.#settles || isWaitedFor(incoming, outcome);
      if (waits && isThenable(outcome)) promise = Promise.resolve(outcome);
    } catch (error) {
      this.#fail(incoming, error, this.#isReferredTo(incoming));
      return;
    }
    if (promise === undefined) this.#answer(incoming, outcome, this.#isReferredTo(incoming));
    else this.#answerLater(incoming, promise);
  }

  /** Who takes requests of bytes alone from here on. */
  takeBytes(taker: BytesTaker): void {
    this.#bytesTaker = taker;
  }

  /** Serves a request of bytes alone. */
  serveBytes(id: number, bytes: Uint8Array): void {
    const incoming = incomingBytes(id);
    this.running++;
    let outcome: unknown;
    try {
      this.#check();
      if (this.#bytesTaker === undefined) {
        throw new RemoteError("REMOTE_NOT_FOUND", "nobody takes bytes here");
      }
      outcome = this.#bytesTaker(bytes);
    } catch (error) {
      this.#fail(incoming, error, false);
      return;
    }
    if (outcome instanceof Promise) this.#answerLater(incoming, outcome);
    else this.#answer(incoming, outcome, false);
  }

  /**
   * Takes hold of what a request is for, so that it can be served later, whatever the peer gives back
   * or asks for meanwhile. To be served by `servePinned`.
   */
  pin(incoming: Incoming): Incoming {
    this.#pinned++;
    const { id, keep } = incoming;
    try {
      // Those that are served as they come are looked at then.
      this.#checkServed(this.running + this.#pinned);
      const target = this.#pinnedTarget(incoming);
      if (!keep) return { ...incoming, target };
      this.#checkKept();
      const promised = new Promised();
      this.#results.set(id, promised);
      return { ...incoming, target, promised };
    } catch (error) {
      return { ...incoming, target: { type: "missing", error } };
    }
  }

  servePinned(incoming: Incoming): void {
    // Those of a session that has ended are counted no more.
    if (this.#stopped) return;
    this.#pinned--;
    this.serve(incoming);
  }

  /** What a target and a path stand for: the value, or a promise where it takes longer or fails. */
  evaluate(target: ReceivedTarget, path: readonly string[]): unknown {
    const promised = target.type === "result" ? this.#promisedAt(target.distance) : undefined;
    if (promised === undefined) return this.#evaluate(target, path);
    const kept = { type: "kept", result: promised } as const;
    const value = this.#evaluate(kept, path) as Promise<unknown>;
    return new PendingOperand(value, () => this.#evaluate(kept, path));
  }

  #evaluate(target: ReceivedTarget, path: readonly string[]): unknown {
    try {
      const object = this.#objectOf(target, path);
      const read = (start: unknown): unknown => {
        const operation = Operation.get;
        const found = perform({
          policy: this.#policy,
          work: this.#work,
          operation,
          object: start,
          path,
          operands: [],
          copies: false,
        });
        const admit = (value: unknown): unknown => {
          checkOperand(this.#policy, bare(value));
          return bare(value);
        };
        return isThenable(found) ? Promise.resolve(found).then(admit) : admit(found);
      };
      const value = object instanceof Promise ? object.then(read) : read(object);
      return isThenable(value) ? quiet(Promise.resolve(value)) : value;
    } catch (error) {
      return quiet(Promise.reject(error));
    }
  }

  /** The peer refers to this one no more; false for one it never made. */
  finish(id: number): boolean {
    // One that was refused, or that both sides have seen the end of, is not there.
    const known = this.#results.take(id) ?? this.#lent.take(id);
    return known !== undefined || (id > 0 && id <= this.received);
  }

  /** Whether nobody is served any more. */
  get isOver(): boolean {
    return this.#stopped;
  }

  /** The session is over: what still runs runs for nobody. */
  stop(): void {
    this.#stopped = true;
    this.running = 0;
    this.#pinned = 0;
    this.#results.clear();
    this.#lent.clear();
  }

  #begin(incoming: Incoming): unknown {
    if (incoming.keep && incoming.promised === undefined) this.#checkKept();
    this.#check();
    const { target, path, operands } = incoming;
    const object = this.#objectOf(target, path);
    for (let i = 0; i < operands.length; i++) operands[i] = PendingOperand.settled(operands[i]);
    if (!areWaitedFor(operands) && !(object instanceof Promise))
      return this.#perform(incoming, object, operands);
    // In one step, so that requests that wait for the same thing go on in their order.
    const settled = Promise.all([
      object,
      ...operands.map((operand) =>
        operand instanceof PendingOperand ? operand.promise : { operand },
      ),
    ]);
    return settled.then(([found, ...waited]) =>
      this.#perform(
        incoming,
        found,
        waited.map((item, i) =>
          operands[i] instanceof PendingOperand ? item : (item as { operand: unknown }).operand,
        ),
      ),
    );
  }

  #pinnedTarget({ target, path }: Incoming): ReceivedTarget {
    if (target.type === "result") return { type: "kept", result: this.#keptAt(target.distance) };
    return { type: "held", object: this.#objectOf(target, path) };
  }

  /** Whether one more is served at all. */
  #check(): void {
    this.#checkServed(this.running);
    const { maxUnsentBytes } = this.#limits;
    if (this.#replies.unsentBytes > maxUnsentBytes) {
      throw new RemoteError("REMOTE_LIMIT", `${maxUnsentBytes} bytes of answers are left unread`);
    }
    this.#work?.check();
  }

  #checkKept(): void {
    const kept = this.#results.size + this.#lent.size;
    if (kept < this.#limits.maxExports) return;
    throw new RemoteError("REMOTE_LIMIT", `${kept} results are kept already`);
  }

  #checkServed(count: number): void {
    const { maxPendingCalls } = this.#limits;
    if (count <= maxPendingCalls) return;
    throw new RemoteError("REMOTE_LIMIT", `${maxPendingCalls} calls are being served already`);
  }

  #perform(incoming: Incoming, object: unknown, operands: readonly unknown[]): unknown {
    const { operation, path } = incoming;
    const [policy, work] = [this.#policy, this.#work];
    return perform({ policy, work, operation, object, path, operands, copies: false });
  }

  /** @throws RemoteError `REMOTE_NOT_FOUND`; the reason why an earlier request failed */
  #objectOf(target: ReceivedTarget, path: readonly string[]): unknown {
    if (target.type === "held") return target.object;
    if (target.type === "missing") throw target.error;
    if (target.type === "kept") return valueOf(target.result);
    if (target.type === "result") return valueOf(this.#keptAt(target.distance));
    const object = this.#exports.get(target.id);
    if (object === undefined) {
      throw new RemoteError("REMOTE_NOT_FOUND", `there is no export #${target.id}`);
    }
    if (target.id === ROOT_ID) checkName(object, path[0]);
    return object;
  }

  /** The result of a request that was not served yet. */
  #promisedAt(distance: number): Promised | undefined {
    const result = this.#results.get(this.received - distance);
    return result instanceof Promised && !result.isServed ? result : undefined;
  }

  #keptAt(distance: number): Result {
    const id = this.received - distance;
    const result = this.#lent.get(id) ?? this.#results.get(id);
    if (result === undefined) {
      throw new RemoteError("REMOTE_NOT_FOUND", `the result of request ${id} is not kept`);
    }
    return result;
  }

  #answerLater(incoming: Incoming, promise: Promise<unknown>): void {
    const { id, promised } = incoming;
    const keep = this.#isReferredTo(incoming);
    const result: Result = { state: "pending", promise };
    if (keep) this.#results.set(id, result);
    promised?.settle(result);
    // Where it is not there any more, the peer has finished with it before it was done.
    const isWanted = (): boolean => keep && this.#results.has(id);
    promise.then(
      (value) => this.#answer(incoming, value, isWanted()),
      (reason: unknown) => this.#fail(incoming, reason, isWanted()),
    );
  }

  #answer(incoming: Incoming, value: unknown, keep: boolean): void {
    if (this.#stopped) return;
    this.running--;
    this.#settle(incoming, { state: "fulfilled", value }, keep);
    if (!incoming.quiet) {
      // It was written as far as the limit, in vain.
      if (!this.#replies.answer(incoming, value)) this.#work?.note(this.#limits.maxItems);
      return;
    }
    if (incoming.operation === Operation.reflect) hush(value);
    this.#replies.silent(incoming);
  }

  #fail(incoming: Incoming, reason: unknown, keep: boolean): void {
    if (this.#stopped) return;
    this.running--;
    this.#settle(incoming, { state: "rejected", reason }, keep);
    if (incoming.quiet) this.#replies.silent(incoming);
    else this.#replies.fail(incoming, reason);
  }

  /** Whether later requests may refer to its result. The peer may be done with one before that is served. */
  #isReferredTo({ id, keep, promised }: Incoming): boolean {
    return keep && (promised === undefined || this.#results.has(id));
  }

  #settle(incoming: Incoming, result: Result, keep: boolean): void {
    incoming.promised?.settle(result);
    if (!keep) return;
    // What has just been refused because of the limit must not break it.
    if (this.#results.size + this.#lent.size > this.#limits.maxExports) return;
    if (incoming.quiet) this.#results.take(incoming.id);
    (incoming.quiet ? this.#lent : this.#results).set(incoming.id, result);
  }
}

/** A proxy gets a promise as one; what another session will answer it can only wait for. */
function isWaitedFor(incoming: Incoming, outcome: unknown): boolean {
  return incoming.operation !== Operation.reflect || RemotePromise.callOf(outcome) !== undefined;
}

function areWaitedFor(operands: readonly unknown[]): boolean {
  for (let i = 0; i < operands.length; i++) if (operands[i] instanceof PendingOperand) return true;
  return false;
}

function checkName(root: object, name: string | undefined): void {
  if (name === undefined || Object.hasOwn(root, name)) return;
  const names = Object.keys(root);
  throw new RemoteError(
    "REMOTE_NOT_FOUND",
    `nothing is exported as ${JSON.stringify(name)}; there is ${names.join(", ") || "nothing"}`,
    { details: { name, names } },
  );
}

/** Looks at a promise that nobody else will: without asking anything of what may be a proxy. */
function hush(value: unknown): void {
  try {
    void Promise.prototype.then.call(value, undefined, () => {});
  } catch {
    // It is none.
  }
}

function quiet(promise: Promise<unknown>): Promise<unknown> {
  promise.catch(() => {});
  return promise;
}
