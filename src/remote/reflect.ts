import { RemoteError } from "../base/errors.ts";
import { canCross, tellablePrototype } from "./described.ts";
import { intrinsicName } from "./intrinsics.ts";
import { List } from "./list.ts";
import {
  checkAccess,
  checkValue,
  checkWhole,
  isForbidden,
  isShared,
  type Policy,
  readableKeys,
} from "./policy.ts";
import { Operation } from "./protocol.ts";
import { nextItems, withFirstItems } from "./reflect-items.ts";
import { type StubHandle, stubOf } from "./stub-handle.ts";
import type { Work } from "./work.ts";

/**
 * What a proxy asks for, one for each thing that can be done with an object: the first operand of a
 * request to `reflect`. The key is the request's one step of a path, or, for a symbol, the operand
 * behind; then come the operands named here.
 */
export const Reflection = {
  /** Key; the receiver, if it is another object. */
  get: 0,
  /** Key, value; answers whether it was set. */
  set: 1,
  has: 2,
  delete: 3,
  /** `this`, the arguments. */
  apply: 4,
  /** Key, the arguments: a call of what is under the key just then. */
  invoke: 5,
  /** `new.target` or undefined, the arguments. */
  construct: 6,
  /**
   * How many at most, if that matters; a list: whether it is extensible, then key and descriptor (as
   * `describe` makes it), in turn. Undefined where there are more.
   */
  keys: 7,
  /** Key; a descriptor, or undefined. */
  descriptor: 8,
  /** Key, the parts of a descriptor. */
  define: 9,
  prototype: 10,
  /** The prototype. */
  setPrototype: 11,
  preventExtensions: 12,
  isExtensible: 13,
  /**
   * How many at most; a list: whether that was all, what it returned, the items. Of iterators that are
   * the engine's own.
   */
  next: 14,
  /** Key; a list: the iterator that a call of what is under the key makes, and as `next`, if it can tell. */
  iterate: 15,
} as const;
export type Reflection = (typeof Reflection)[keyof typeof Reflection];

/** So many properties of an object are told in one answer; of one with more, only the keys. */
const MAX_TOLD_PROPERTIES = 4_096;

/** The bits of a descriptor's first part. */
export const Attribute = {
  writable: 1,
  enumerable: 2,
  configurable: 4,
  accessor: 8,
  /** There is a property, and what it is was not told. */
  untold: 16,
} as const;

/** Who asks, and how much more this side does for them. */
export interface Asking {
  readonly policy: Policy;
  readonly work: Work | undefined;
}

interface Asked extends Asking {
  readonly object: object;
  readonly key: string | symbol;
  readonly rest: readonly unknown[];
}

/**
 * Does to an object exactly what a proxy for it was asked to. The result is what it is, also where
 * it is a promise: whoever asked gets that promise.
 *
 * @throws RemoteError `REMOTE_DENIED`; TypeError; whatever the object itself throws
 */
export function reflect(
  { policy, work }: Asking,
  object: unknown,
  path: readonly string[],
  operands: readonly unknown[],
): unknown {
  if ((typeof object !== "object" && typeof object !== "function") || object === null) {
    throw new TypeError("only objects can be reflected upon");
  }
  const stub = stubOf(object);
  // One of a session with stubs only knows how to pass it on; a proxy is an object like others.
  if (stub !== undefined && !stub.isLocalLooking) return passOn(stub, path, operands);
  const reflection = operands[0] as Reflection;
  const act = ACTS[reflection] as ((asked: Asked) => unknown) | undefined;
  if (act === undefined) throw new TypeError(`there is no reflection ${String(reflection)}`);
  if (!KEYED.has(reflection))
    return act({ policy, work, object, key: "", rest: operands.slice(1) });
  const isNamed = path.length > 0;
  const key = propertyKey(isNamed ? path[0] : operands[1]);
  return act({ policy, work, object, key, rest: operands.slice(isNamed ? 1 : 2) });
}

function propertyKey(key: unknown): string | symbol {
  if (typeof key === "string" || typeof key === "symbol") return key;
  throw new TypeError("no property key");
}

function passOn(
  stub: StubHandle,
  path: readonly string[],
  operands: readonly unknown[],
): PromiseLike<unknown> {
  if (!stub.isReference) throw new TypeError("only objects can be reflected upon");
  return stub.request(Operation.reflect, operands, path);
}

const KEYED: ReadonlySet<Reflection> = new Set([
  Reflection.get,
  Reflection.set,
  Reflection.has,
  Reflection.delete,
  Reflection.invoke,
  Reflection.descriptor,
  Reflection.define,
  Reflection.iterate,
]);

const ACTS: { readonly [Kind in Reflection]: (asked: Asked) => unknown } = {
  [Reflection.get]: get,
  [Reflection.set]: set,
  [Reflection.has]: ({ policy, object, key }) => {
    if (!isForbidden(key) && !isShared(object, key)) check(policy, object, key, "has");
    return Reflect.has(object, key);
  },
  [Reflection.delete]: ({ policy, object, key }) => {
    check(policy, object, key, "delete");
    return Reflect.deleteProperty(object, key);
  },
  [Reflection.apply]: apply,
  [Reflection.invoke]: invoke,
  [Reflection.construct]: ({ policy, object, rest: [newTarget = object, ...args] }) => {
    if (typeof object !== "function") throw new TypeError("the remote object is no constructor");
    checkWhole(policy, object, "construct");
    if (policy !== "trusted") checkNewTarget(object, newTarget);
    return Reflect.construct(object, args, newTarget as () => unknown);
  },
  [Reflection.keys]: describeAll,
  [Reflection.descriptor]: ({ policy, object, key }) => {
    if (isForbidden(key) && policy !== "trusted") return undefined;
    const descriptor = Reflect.getOwnPropertyDescriptor(object, key);
    if (descriptor === undefined) return undefined;
    if (!isForbidden(key)) check(policy, object, key, "get");
    return new List(describe(descriptor));
  },
  [Reflection.define]: ({ policy, object, key, rest }) => {
    check(policy, object, key, "define");
    const descriptor = descriptorOf(rest);
    if ("value" in descriptor) checkValue(policy, object, key, descriptor.value);
    return Reflect.defineProperty(object, key, descriptor);
  },
  [Reflection.prototype]: ({ policy, object }) =>
    tellablePrototype(policy, Reflect.getPrototypeOf(object)),
  [Reflection.setPrototype]: ({ policy, object, rest: [prototype] }) => {
    assertTrusted(policy, "change the prototype of");
    return Reflect.setPrototypeOf(object, prototype as object | null);
  },
  [Reflection.preventExtensions]: ({ policy, object }) => {
    assertTrusted(policy, "prevent extensions of");
    return Reflect.preventExtensions(object);
  },
  [Reflection.isExtensible]: ({ object }) => Reflect.isExtensible(object),
  [Reflection.next]: ({ policy, object, rest: [count] }) => {
    check(policy, object, "next", "call");
    return nextItems(object as Iterator<unknown>, count);
  },
  [Reflection.iterate]: (asked) => {
    const method: unknown = Reflect.get(asked.object, asked.key);
    return withFirstItems(asked.object, method, invoke({ ...asked, rest: [] }));
  },
};

function get({ policy, object, key, rest }: Asked): unknown {
  const receiver = rest.length === 0 ? object : rest[0];
  if (policy !== "trusted" && receiver !== object) checkHeir(policy, object, key, receiver);
  if (key === "constructor" || key === "prototype" || isShared(object, key)) {
    const value: unknown = Reflect.get(object, key, receiver);
    // Of what is the engine's own, the peer means its own by the name.
    if (value === undefined || intrinsicName(value) !== undefined) return value;
    if (key === "prototype" ? typeof object === "function" : policy === "trusted") return value;
  }
  check(policy, object, key, "get");
  return Reflect.get(object, key, receiver);
}

function set({ policy, object, key, rest: [value] }: Asked): boolean {
  check(policy, object, key, "set");
  checkValue(policy, object, key, value);
  return Reflect.set(object, key, value);
}

function apply({ policy, work, object, rest: [receiver, ...args] }: Asked): unknown {
  if (typeof object !== "function") throw new TypeError("the remote object is not a function");
  checkWhole(policy, object, "call");
  if (policy !== "trusted") checkReceiver(policy, work, object, receiver);
  work?.spendOnCall(object as () => unknown, receiver, args);
  return Reflect.apply(object, receiver, args);
}

function invoke({ policy, work, object, key, rest }: Asked): unknown {
  check(policy, object, key, "call");
  const method: unknown = Reflect.get(object, key);
  if (typeof method !== "function") throw new TypeError(`${String(key)} is not a function`);
  checkWhole(policy, method, "call");
  work?.spendOnCall(method as () => unknown, object, rest);
  return Reflect.apply(method, object, rest);
}

/**
 * A function may be called on one of our objects if it is a method of that: otherwise some harmless
 * function would do for a peer to get at what another object keeps to itself.
 */
function checkReceiver(
  policy: Policy,
  work: Work | undefined,
  method: object,
  receiver: unknown,
): void {
  if ((typeof receiver !== "object" && typeof receiver !== "function") || receiver === null) return;
  if (stubOf(receiver) !== undefined) return;
  for (let holder: object | null = receiver; holder !== null;) {
    const key = keyOf(work, holder, method);
    if (key !== undefined) {
      checkAccess(policy, receiver, key, "call");
      return;
    }
    holder = Object.getPrototypeOf(holder) as object | null;
  }
  throw new RemoteError("REMOTE_DENIED", "the function is no method of what it is called on");
}

/** Under which name it is a method of this object, which may have a great many of other things. */
function keyOf(
  work: Work | undefined,
  holder: object,
  method: object,
): string | symbol | undefined {
  const isThere = (key: string | symbol): boolean =>
    Object.getOwnPropertyDescriptor(holder, key)?.value === method;
  const name: unknown = Object.getOwnPropertyDescriptor(method, "name")?.value;
  if (typeof name === "string" && isThere(name)) return name;
  // What is long has no methods of its own under other names, or keeps them to itself.
  if (Array.isArray(holder) || ArrayBuffer.isView(holder)) return undefined;
  const keys = Reflect.ownKeys(holder);
  work?.spend(keys.length);
  return keys.find(isThere);
}

/** A getter may run for something that inherits from its object; else it would tell of others. */
function checkHeir(policy: Policy, object: object, key: string | symbol, receiver: unknown): void {
  if ((typeof receiver !== "object" && typeof receiver !== "function") || receiver === null) return;
  if (stubOf(receiver) !== undefined) return;
  if (Object.prototype.isPrototypeOf.call(object, receiver)) {
    checkAccess(policy, receiver, key, "get");
    return;
  }
  throw new RemoteError("REMOTE_DENIED", "the receiver does not inherit from the object");
}

/** What one class makes is not to pass for an instance of another that doesn't extend it. */
function checkNewTarget(object: object, newTarget: unknown): void {
  if (newTarget === object || stubOf(newTarget) !== undefined) return;
  if (typeof newTarget === "function") {
    checkWhole("capability", newTarget, "construct");
    if (Object.prototype.isPrototypeOf.call(object, newTarget)) return;
  }
  throw new RemoteError("REMOTE_DENIED", "new.target is no class that extends what is constructed");
}

function describeAll({ policy, work, object, rest: [limit] }: Asked): List | undefined {
  const keys = ownKeys(policy, object);
  work?.spend(keys.length);
  if (typeof limit === "number" && keys.length > limit) return undefined;
  const isTold = keys.length <= MAX_TOLD_PROPERTIES;
  const parts: unknown[] = [Reflect.isExtensible(object)];
  for (const key of keys) {
    const descriptor = isTold ? Reflect.getOwnPropertyDescriptor(object, key) : undefined;
    parts.push(key, new List(descriptor === undefined ? [Attribute.untold] : describe(descriptor)));
  }
  return new List(parts);
}

function ownKeys(policy: Policy, object: object): (string | symbol)[] {
  const keys = Reflect.ownKeys(object).filter(canCross);
  if (policy === "trusted") return keys;
  if (typeof object === "function") return keys.filter((key) => !isForbidden(key));
  const readable = new Set<string | symbol>(readableKeys(policy, object));
  return keys.filter((key) => readable.has(key) || (key === "length" && Array.isArray(object)));
}

/** A descriptor as its attributes and, behind, its value, or its getter and setter. */
function describe(descriptor: PropertyDescriptor): unknown[] {
  const isAccessor = !("value" in descriptor);
  const attributes =
    (descriptor.writable === true ? Attribute.writable : 0) +
    (descriptor.enumerable === true ? Attribute.enumerable : 0) +
    (descriptor.configurable === true ? Attribute.configurable : 0) +
    (isAccessor ? Attribute.accessor : 0);
  if (!isAccessor) return [attributes, descriptor.value];
  const { get: getter, set: setter } = descriptor as { get?: () => unknown; set?: () => void };
  return [attributes, getter, setter];
}

/** What `define` was told: a part of a descriptor is there where its name is. */
function descriptorOf(parts: readonly unknown[]): PropertyDescriptor {
  const descriptor: PropertyDescriptor = {};
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const name = parts[i] as keyof PropertyDescriptor;
    if (DESCRIPTOR_PARTS.has(name)) Object.assign(descriptor, { [name]: parts[i + 1] });
  }
  return descriptor;
}

const DESCRIPTOR_PARTS: ReadonlySet<string> = new Set([
  "value",
  "writable",
  "enumerable",
  "configurable",
  "get",
  "set",
]);

function check(
  policy: Policy,
  object: object,
  key: string | symbol,
  operation: "get" | "set" | "has" | "delete" | "define" | "call",
): void {
  if (stubOf(object) === undefined) checkAccess(policy, object, key, operation);
}

function assertTrusted(policy: Policy, what: string): void {
  if (policy === "trusted") return;
  throw new RemoteError("REMOTE_DENIED", `may not ${what} an object: the policy is "${policy}"`);
}
