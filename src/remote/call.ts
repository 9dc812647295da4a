import type { CallLimit } from "./deadlines.ts";
import type { Imported } from "./imports.ts";
import type { Writer } from "../wire/writer.ts";
import { Operation } from "./protocol.ts";
import type { Reflection } from "./reflect.ts";
import type { ReferenceScope } from "./scopes.ts";

/** What a request is sent to: something the peer holds, or the result of an earlier request. */
export type Target = Imported | Call;

/** One request, as a stub asks its session for it. */
export interface Request {
  readonly operation: Operation;
  readonly target: Target;
  readonly path: readonly string[];
  readonly operands: readonly unknown[];
  /** When to give it up; `Infinity` for never, whatever the session's default is. */
  readonly limit?: CallLimit | undefined;
  /** Writes a request of bytes alone. */
  readonly write?: WriteBytes | undefined;
}

/** Writes behind what is there already, and leaves that as it is. */
export type WriteBytes = (writer: Writer) => void;

/** What stubs need of the session they belong to. */
export interface Caller {
  /** Sends a request in the order of calls. Never throws: what fails rejects the promise. */
  request(request: Request): RemotePromise<unknown>;
  /** Gives back every reference that `imported` stands for. */
  release(imported: Imported): void;
  /**
   * Makes the request behind `call` one that later requests can refer to. False where it is too late
   * because the request has left.
   */
  keep(call: Call): boolean;
  /** Asks for the result of a call that is not going to be answered, and settles it. */
  pull(call: Call): void;
}

export type CallState = "pending" | "fulfilled" | "rejected";

/** Set while what is asked of stubs is noted, and not sent. */
let recorder: Caller | undefined;

/** Has all requests of this thread noted by `by` while `body` runs. @throws TypeError within itself */
export function record<T>(by: Caller, body: () => T): T {
  if (recorder !== undefined) throw new TypeError("map() can't be used within map()");
  recorder = by;
  try {
    return body();
  } finally {
    recorder = undefined;
  }
}

/** Who gets a request for this target now. */
export function callerNow(caller: Caller): Caller {
  return recorder ?? caller;
}

/** One request of ours and what became of it. */
export class Call {
  readonly caller: Caller;
  /** 0 until it is sent. */
  id = 0;
  operation: Operation = Operation.call;
  path: readonly string[] = [];
  /** Which message it is in, and where its kind is in there, for `keep`. */
  message = 0;
  position = 0;
  kept = false;
  /** Whether anybody waits for it, as far as can be seen. */
  observed = false;
  /** Set where the peer keeps the result and says nothing; all calls that share it are let go at once. */
  hold: object | undefined;
  state: CallState = "pending";
  /** The result, or the reason it failed. */
  outcome: unknown;
  /** Where it was made, if that is recorded. */
  site: string | undefined;
  /** Gets the references that the answer brings. */
  scope: ReferenceScope | undefined;
  /** What a proxy asked of its object. */
  reflection: Reflection | undefined;
  /** What it was limited to, for what is done with its result. */
  limit: CallLimit | undefined;
  /** When it is given up, where that is the session's to say. */
  deadline: number | undefined;
  /** Stops listening to the signals that were passed with it, and the timer that would give it up. */
  signals: Disposable[] | undefined;
  #promise: RemotePromise<unknown> | undefined;
  #resolve: (value: unknown) => void = ignore;
  #reject: (reason: unknown) => void = ignore;
  #waiting: (() => void)[] | undefined;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  /** Made where somebody asks for it. */
  get promise(): RemotePromise<unknown> {
    if (this.#promise !== undefined) return this.#promise;
    const promise = (this.#promise = new RemotePromise<unknown>(this));
    this.#resolve = grabbedResolve;
    this.#reject = grabbedReject;
    // Or the last result of all would stay.
    grabbedResolve = ignore;
    grabbedReject = ignore;
    if (this.state !== "pending") this.#tell(promise);
    return promise;
  }

  /** Runs `next` when the call has settled, before anybody who awaits it; in order. */
  whenSettled(next: () => void): void {
    if (this.state === "pending") (this.#waiting ??= []).push(next);
    else next();
  }

  /** Somebody waits for the result, or looks at it in another way. */
  observe(): void {
    if (this.observed) return;
    this.observed = true;
    if (this.hold !== undefined && this.state === "pending") this.caller.pull(this);
  }

  fulfill(value: unknown): void {
    if (this.state !== "pending") return;
    this.state = "fulfilled";
    this.outcome = value;
    this.#settled();
  }

  fail(reason: unknown): void {
    if (this.state !== "pending") return;
    this.state = "rejected";
    this.outcome = reason;
    this.#settled();
  }

  /** Nobody has to look: a peer must not be able to end this process with an unhandled rejection. */
  #tell(promise: RemotePromise<unknown>): void {
    if (this.state === "fulfilled") {
      this.#resolve(this.outcome);
      return;
    }
    promise.then(undefined, ignore);
    this.#reject(this.outcome);
  }

  #settled(): void {
    if (this.#promise !== undefined) this.#tell(this.#promise);
    if (this.signals !== undefined) {
      for (const signal of this.signals) signal[Symbol.dispose]();
      this.signals = undefined;
    }
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    for (const next of waiting) next();
  }
}

let grabbedResolve: (value: unknown) => void = ignore;
let grabbedReject: (reason: unknown) => void = ignore;

/** One function for all promises, so that a call makes no closure for it. */
function grab(resolve: (value: unknown) => void, reject: (reason: unknown) => void): void {
  grabbedResolve = resolve;
  grabbedReject = reject;
}

function ignore(): void {}

/** Gives a member of a result that is not there yet. Set by `stub.ts`, which knows stubs. */
export type MemberOf = (
  promise: RemotePromise<unknown>,
  call: Call,
  key: string | symbol,
) => unknown;

let memberOf: MemberOf | undefined;

export function setMemberOf(given: MemberOf): void {
  memberOf = given;
}

/**
 * The result of a remote call: a real promise, so that awaiting it costs what awaiting costs, of
 * which any other member is a stub for that member of the result. Using such a stub sends the next
 * request at once, without waiting for the result. `then`, `catch`, `finally` and `constructor` are
 * the promise's own.
 */
export class RemotePromise<T> extends Promise<T> {
  readonly #call: Call;

  constructor(call: Call) {
    super(grab as ConstructorParameters<typeof Promise<T>>[0]);
    this.#call = call;
  }

  /** What `then` makes is a plain promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** The call behind a promise of this kind; `undefined` for anything else. */
  static callOf(value: unknown): Call | undefined {
    return typeof value === "object" && value !== null && #call in value ? value.#call : undefined;
  }

  static {
    const { prototype } = RemotePromise;
    // `await` takes a promise as it is if its constructor is Promise, and wraps it otherwise. Whatever
    // waits for a promise asks for its constructor: so it is known for which nobody does.
    void Object.defineProperty(prototype, "constructor", {
      get(this: unknown) {
        RemotePromise.callOf(this)?.observe();
        return Promise;
      },
      configurable: true,
    });
    // Own properties, because the lookup of any other ends in the proxy below.
    for (const name of ["then", "catch", "finally"] as const) {
      define(prototype, name, Promise.prototype[name]);
    }
    define(prototype, Symbol.toStringTag, "Promise");
    Object.setPrototypeOf(
      prototype,
      new Proxy(Object.create(Promise.prototype) as object, {
        get: (_, key, receiver) => {
          const call = RemotePromise.callOf(receiver);
          return call === undefined
            ? undefined
            : memberOf?.(receiver as RemotePromise<unknown>, call, key);
        },
      }),
    );
  }
}

function define(object: object, key: string | symbol, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, configurable: true });
}
