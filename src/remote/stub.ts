import { type Caller, Call, callerNow, RemotePromise, setMemberOf, type Target } from "./call.ts";
import type { CallLimit } from "./deadlines.ts";
import { type Imported, Shape } from "./imports.ts";
import { isListenerCall } from "./listener-call.ts";
import { bare } from "./marks.ts";
import { perform } from "./perform.ts";
import { Operation } from "./protocol.ts";
import { plainTypes, type RemoteType } from "./remote-type.ts";
import { RemoteIterator } from "./remote-iterator.ts";
import { STUB, type StubHandle, stubOf } from "./stub-handle.ts";

const INSPECT = Symbol.for("nodejs.util.inspect.custom");

const MAX_MEMBERS = 256;

/** The stub of something the peer sent a reference of. */
export function createStub(imported: Imported): object {
  return new Stub(imported, undefined, NO_STEPS).proxy;
}

const NO_STEPS: readonly string[] = [];

/**
 * What a proxy stands for: a target and a path from there, not looked at until it is used. With an
 * empty path it is a reference, and awaiting it gives itself; otherwise awaiting reads the property.
 */
export class Stub implements ProxyHandler<object>, StubHandle {
  readonly proxy: object;
  readonly target: Target;
  readonly path: readonly string[];
  /** Keeps the proxy of the reference alive, and with it the reference. */
  readonly #anchor: object | undefined;
  readonly #limit: CallLimit | undefined;
  #members: Map<string, object> | undefined;

  constructor(
    target: Target,
    anchor: object | undefined,
    path: readonly string[],
    limit?: CallLimit,
  ) {
    this.target = target;
    this.#anchor = anchor;
    this.path = path;
    this.#limit = limit;
    this.proxy = new Proxy(shellOf(target, path), this);
  }

  get caller(): Caller {
    return this.target.caller;
  }

  get isLocalLooking(): boolean {
    return false;
  }

  /** Whether it is a reference by itself, not a property of one. */
  get isReference(): boolean {
    return this.path.length === 0;
  }

  /** Gives the reference up; a property has none of its own. */
  release(): void {
    if (this.isReference && !(this.target instanceof Call)) this.caller.release(this.target);
  }

  /** Sends one request, or, for a result that must be awaited first, sends it afterwards. */
  request(
    operation: Operation,
    operands: readonly unknown[],
    path: readonly string[] = this.path,
    limit: CallLimit | undefined = this.#limit,
  ): RemotePromise<unknown> {
    const { target } = this;
    const caller = callerNow(target.caller);
    if (target instanceof Call && !caller.keep(target)) {
      return afterwards(target, (outcome) => applyTo(outcome, operation, path, operands));
    }
    return caller.request({ operation, target, path, operands, limit });
  }

  /** What it stands for, by one request. */
  read(): RemotePromise<unknown> {
    return this.request(Operation.get, []);
  }

  get(_: object, key: string | symbol): unknown {
    if (typeof key === "string") return this.#named(key);
    switch (key) {
      case STUB:
        return this;
      case Symbol.toPrimitive:
        return refuseToPrimitive;
      case Symbol.asyncIterator:
        return () => new RemoteIterator(this.request(Operation.iterate, []));
      case Symbol.dispose:
        return () => this.release();
      case Symbol.asyncDispose:
        return async () => this.release();
      case Symbol.hasInstance:
        return (value: unknown) => this.#hasInstance(value);
      case Symbol.toStringTag:
        return this.isReference ? typeOf(this)?.tag : undefined;
      default:
        return undefined;
    }
  }

  apply(_: object, receiver: unknown, args: unknown[]): unknown {
    const result = this.request(Operation.call, args);
    return isListenerCall(receiver, args) ? undefined : result;
  }

  construct(_: object, args: unknown[]): object {
    return this.request(Operation.construct, args);
  }

  set(_: object, key: string | symbol): never {
    return hint(
      this,
      `assigning ${String(key)} could not report an error; use "await set(ref, key, value)"`,
    );
  }

  deleteProperty(_: object, key: string | symbol): never {
    return hint(
      this,
      `deleting ${String(key)} could not report an error; use "await remove(ref, key)"`,
    );
  }

  has(_: object, key: string | symbol): boolean {
    if (typeof key === "string") hint(this, 'use "await has(ref, key)" instead of "in"');
    return key === Symbol.asyncIterator || key === Symbol.dispose || key === Symbol.asyncDispose;
  }

  ownKeys(): never {
    return hint(this, 'use "await keys(ref)", or "await snapshot(ref)" for a copy');
  }

  getOwnPropertyDescriptor(_: object, key: string | symbol): undefined {
    if (typeof key === "symbol") return undefined;
    return hint(this, 'use "await has(ref, key)"');
  }

  defineProperty(): never {
    return hint(this, 'use "await set(ref, key, value)"');
  }

  preventExtensions(): never {
    return hint(this, "a reference can't be frozen from here");
  }

  setPrototypeOf(): never {
    return hint(this, "the class of a remote object can't be changed from here");
  }

  /** For people: it asks nobody, so it says where the object is and not what is in it. */
  describe(): string {
    const { target, path } = this;
    const steps = path.join(".");
    if (target instanceof Call) return `Remote<(pending).${steps}>`;
    if (target.released) return "Remote<released>";
    if (target.id === 0) return `Remote<${steps}>`;
    const kind = kindOf(target);
    return `Remote<${kind} #${target.id}${steps === "" ? "" : `.${steps}`}>`;
  }

  #named(key: string): unknown {
    if (key === "then") return this.isReference ? undefined : this.#then();
    if (key === "constructor" && this.isReference) {
      const type = typeOf(this);
      if (type !== undefined) return type.standIn((value) => isOfType(value, type));
    }
    if (key === "toJSON") return () => hint(this, 'use "JSON.stringify(await snapshot(ref))"');
    return this.member(key);
  }

  /** `instanceof` answers at once: it can, where the classes of both are known here. */
  #hasInstance(value: unknown): boolean {
    const isElsewhere =
      stubOf(value) !== undefined ||
      RemotePromise.callOf(value) !== undefined ||
      value instanceof Error;
    if (!isElsewhere) return false;
    const known = isKnownInstance(value, this.proxy);
    return known ?? hint(this, 'use "await instanceOf(ref, Class)" instead of "instanceof"');
  }

  /** The stub of one of its properties: the same one each time. */
  member(key: string): object {
    let member = this.#members?.get(key);
    if (member === undefined) {
      member = new Stub(this.target, this.#anchor ?? this.proxy, [...this.path, key], this.#limit)
        .proxy;
      this.#members ??= new Map();
      if (this.#members.size < MAX_MEMBERS) this.#members.set(key, member);
    }
    return member;
  }

  /** The same thing, whose uses give up. */
  within(limit: CallLimit): object {
    return new Stub(this.target, this.#anchor ?? this.proxy, this.path, limit).proxy;
  }

  #then(): typeof Promise.prototype.then {
    return (onFulfilled, onRejected) => this.read().then(onFulfilled, onRejected);
  }
}

/** The class of what a reference stands for, where it was told. */
function typeOf(stub: StubHandle): RemoteType | undefined {
  const { target } = stub;
  if (target instanceof Call || !stub.isReference || target.released) return undefined;
  const isFunction = target.shape === Shape.function || target.shape === Shape.constructor;
  return isFunction ? plainTypes.function : target.type;
}

/** Whether it is an instance, by what was told of the classes; `undefined` where the peer has to say. */
export function isKnownInstance(ref: unknown, Class: unknown): boolean | undefined {
  const stub = stubOf(ref);
  const type = stub === undefined ? undefined : typeOf(stub);
  const target = stubOf(Class);
  if (type === undefined) return undefined;
  if (target === undefined) return type.extendsIntrinsic(Class);
  const instances =
    target.isReference && !(target.target instanceof Call) ? target.target : undefined;
  if (instances?.type === undefined || instances.released) return undefined;
  const isClass = instances.shape === Shape.constructor && instances.caller === stub?.caller;
  return isClass ? type.extends(instances.type) : undefined;
}

function isOfType(value: unknown, type: RemoteType): boolean {
  const stub = stubOf(value);
  return stub !== undefined && typeOf(stub)?.extends(type) === true;
}

function kindOf({ shape, type }: Imported): string {
  if (shape === Shape.function) return "function";
  if (shape === Shape.constructor) return type === undefined ? "function" : `class ${type.name}`;
  return type === undefined || type.name === "Object" ? "object" : type.name;
}

/** Carries out on a result that is here already what was asked of it while it was not. */
function applyTo(
  outcome: unknown,
  operation: Operation,
  path: readonly string[],
  operands: readonly unknown[],
): unknown {
  const stub = stubOf(outcome);
  if (stub !== undefined) return stub.request(operation, operands, [...stub.path, ...path]);
  const trusted = { policy: "trusted", work: undefined, copies: false } as const;
  return perform({ ...trusted, operation, object: outcome, path, operands });
}

/** Carries `next` out once the result of `call` is there, in the order of asking. */
function afterwards(call: Call, next: (outcome: unknown) => unknown): RemotePromise<unknown> {
  const later = new Call(call.caller);
  call.whenSettled(() => {
    if (call.state === "rejected") {
      later.fail(call.outcome);
      return;
    }
    void settle(later, () => next(call.outcome));
  });
  return later.promise;
}

async function settle(later: Call, begin: () => unknown): Promise<void> {
  try {
    later.fulfill(bare(await begin()));
  } catch (error) {
    later.fail(error);
  }
}

function memberOf(promise: RemotePromise<unknown>, call: Call, key: string | symbol): unknown {
  if (typeof key === "string") return new Stub(call, promise, [key], call.limit).proxy;
  if (key === Symbol.toPrimitive) return refuseToPrimitive;
  if (key === Symbol.asyncIterator) {
    return () =>
      new RemoteIterator(new Stub(call, promise, [], call.limit).request(Operation.iterate, []));
  }
  return undefined;
}

setMemberOf(memberOf);

function refuseToPrimitive(): never {
  throw new TypeError("a remote reference is no primitive value; await it first");
}

function hint(stub: Stub, advice: string): never {
  throw new TypeError(`${stub.describe()} is elsewhere: ${advice}`);
}

function inspectStub(this: unknown): string {
  const stub = stubOf(this);
  return stub instanceof Stub ? stub.describe() : "Remote";
}

// What typeof says, and whether `new` is refused, follows from the target of a proxy. None of these
// is ever touched: every trap answers by itself. Node's inspect looks at the target, not at the proxy.
const anything = withInspect(function remote() {});
const notConstructible = withInspect(() => {});
const object = withInspect(Object.create(null) as object);

function shellOf(target: Target, path: readonly string[]): object {
  if (path.length > 0 || target instanceof Call || target.shape === Shape.constructor)
    return anything;
  return target.shape === Shape.function ? notConstructible : object;
}

function withInspect<T extends object>(shell: T): T {
  return Object.defineProperty(shell, INSPECT, { value: inspectStub, configurable: true });
}
