import type { Caller, RemotePromise } from "../call.ts";
import { malformed } from "../codec.ts";
import { type Imported, Shape } from "../imports.ts";
import { isContainerPrototype } from "../intrinsics.ts";
import { List } from "../list.ts";
import { isListenerCall, quietly } from "../listener-call.ts";
import { Operation } from "../protocol.ts";
import { Reflection } from "../reflect.ts";
import { STUB, type StubHandle, stubOf } from "../stub-handle.ts";
import { remoteMember, type RemoteReceiver } from "./dual.ts";
import { inspectProxy } from "./inspect.ts";
import { ItemsAhead } from "./items-ahead.ts";
import { frozenProperty, setBehind, setOwn } from "./ordinary.ts";
import { createShadow } from "./shadow.ts";
import { syncThread } from "./thread.ts";
import { toDescriptor, ToldProperties } from "./told.ts";

/** The session of a proxy, as far as that needs it. */
export interface Asker {
  readonly caller: Caller;
  /** Whether the other side can use our objects while it serves us. */
  readonly peerUsesProxies: boolean;
  /** How often it has asked this side for something. */
  readonly heard: number;
  /** Blocks until the thing has been asked; throws what it threw. */
  ask(target: Imported, operands: readonly unknown[], path: readonly string[]): unknown;
}

/** What was told of a thing that others inherit from. */
export interface Description {
  readonly name: string;
  readonly methods: ReadonlyMap<string | symbol, object>;
}

/** What was told of a class. */
export interface ClassTraits {
  /** Its `prototype`, if that never changes. */
  readonly fixed: object | undefined;
  /** Whether it has a `Symbol.hasInstance` of its own. */
  readonly decides: boolean;
}

type Key = string | symbol;

/** A proxy asks for arrays up to this length as a whole when their length is read. */
const MAX_ARRAY_TOLD = 256;
/** A chain of prototypes longer than this is asked, not searched. */
const MAX_CHAIN = 256;
/** Nothing is told to inherit from so many others, one from the other. */
const MAX_TOLD_CHAIN = 1_000;

const NO_PATH: readonly string[] = [];

/** What was read last of a thing that knows its methods, so that calling it says on what it was found. */
let lastRead: { value: object; holder: SyncProxy; key: Key } | undefined;

/**
 * A proxy for something of the peer's that is used like a local object: each trap asks the other side
 * and blocks until it has answered. What is known of its type is not asked.
 */
export class SyncProxy implements ProxyHandler<object>, StubHandle, RemoteReceiver {
  readonly proxy: object;
  readonly target: Imported;
  readonly path: readonly string[] = NO_PATH;
  readonly #asker: Asker;
  readonly #shadow: object;
  /** As far as it is known: `undefined` is asked. */
  #prototype: object | null | undefined;
  /** So many prototypes were asked for, one after the other, to come to this one. */
  #asked = 0;
  #traits: ClassTraits | undefined;
  #description: Description | undefined;
  #told: { readonly properties: ToldProperties; readonly epoch: number } | undefined;
  #items: ItemsAhead | undefined;

  constructor(asker: Asker, target: Imported) {
    this.#asker = asker;
    this.target = target;
    this.#shadow = createShadow(target.shape, inspectProxy);
    this.proxy = new Proxy(this.#shadow, this);
  }

  /** The one behind a proxy; asks nobody. */
  static of(value: unknown): SyncProxy | undefined {
    const handle = stubOf(value);
    return handle instanceof SyncProxy ? handle : undefined;
  }

  /** Takes down what a reference said of the thing's type. */
  static tell(proxy: object, prototype: object | null | undefined, traits: ClassTraits): void {
    const handle = SyncProxy.of(proxy);
    if (handle === undefined) return;
    if (!handle.#mayInherit(prototype)) malformed("a thing that inherits from itself");
    handle.#prototype = prototype;
    handle.#traits = traits;
  }

  static describe(proxy: object, description: Description): void {
    const handle = SyncProxy.of(proxy);
    if (handle !== undefined) handle.#description = description;
  }

  get caller(): Caller {
    return this.#asker.caller;
  }

  get isReference(): boolean {
    return true;
  }

  get isLocalLooking(): boolean {
    return true;
  }

  /** The name of its class, as far as that was told. */
  get typeName(): string {
    const type = SyncProxy.of(this.#prototype);
    return type === undefined ? "" : (type.#description?.name ?? "");
  }

  request(
    operation: Operation,
    operands: readonly unknown[],
    path: readonly string[] = NO_PATH,
  ): RemotePromise<unknown> {
    return this.caller.request({ operation, target: this.target, path, operands });
  }

  read(): RemotePromise<unknown> {
    return this.request(Operation.get, []);
  }

  release(): void {
    this.caller.release(this.target);
  }

  invoke(key: Key, args: readonly unknown[]): unknown {
    if (this.#items !== undefined) {
      // A generator that was asked ahead is past where a value could be handed to it.
      if (key === "next" && this.#items.isLeft) return this.nextItem();
      if (key !== "next") this.#items.drop();
    }
    syncThread.epoch++;
    return this.#askFor(Reflection.invoke, key, args);
  }

  iterate(key: Key): unknown {
    syncThread.epoch++;
    const answer = this.#askFor(Reflection.iterate, key, []);
    if (!(answer instanceof List)) return malformed("an iteration that is no list");
    const [iterator, ...told] = answer.values;
    const handle = SyncProxy.of(iterator);
    if (handle !== undefined && told.length > 0) handle.#itemsAhead.put(told);
    return iterator;
  }

  nextItem(): IteratorResult<unknown> {
    const ask = (count: number): unknown => this.#ask(Reflection.next, [count]);
    return this.#itemsAhead.next(ask, () => this.#asker.heard);
  }

  get #itemsAhead(): ItemsAhead {
    return (this.#items ??= new ItemsAhead(isContainerPrototype(this.#prototype)));
  }

  get(shadow: object, key: Key, receiver: unknown): unknown {
    if (key === STUB) return this;
    if (receiver !== this.proxy) {
      return this.#findMethod(key) ?? this.#askFor(Reflection.get, key, [receiver]);
    }
    const told = this.#takeTold(key, "value") ?? frozenProperty(shadow, key);
    if (told !== undefined) return told.value as unknown;
    const method = this.#findMethod(key);
    if (method === undefined) return this.#read(key);
    lastRead = { value: method, holder: this, key };
    return method;
  }

  set(shadow: object, key: Key, value: unknown, receiver: unknown): boolean {
    if (receiver !== this.proxy) return this.#setFor(shadow, key, value, receiver);
    if (key === "__proto__") return this.setPrototypeOf(shadow, value as object | null);
    syncThread.epoch++;
    return this.#askFor(Reflection.set, key, [value]) === true;
  }

  has(_: object, key: Key): boolean {
    if (key === STUB) return false;
    if (this.#takeTold(key, "has") !== undefined) return true;
    return this.#askFor(Reflection.has, key, []) === true;
  }

  deleteProperty(_: object, key: Key): boolean {
    syncThread.epoch++;
    return this.#askFor(Reflection.delete, key, []) === true;
  }

  ownKeys(): Key[] {
    return [...this.#tell().keys];
  }

  getOwnPropertyDescriptor(shadow: object, key: Key): PropertyDescriptor | undefined {
    const descriptor =
      this.#takeTold(key, "descriptor") ??
      toDescriptor(this.#askFor(Reflection.descriptor, key, []));
    // What is said never to change must be on the shadow as well.
    if (descriptor?.configurable === false) Reflect.defineProperty(shadow, key, descriptor);
    return descriptor;
  }

  defineProperty(shadow: object, key: Key, descriptor: PropertyDescriptor): boolean {
    const parts: unknown[] = [];
    for (const name of Reflect.ownKeys(descriptor)) parts.push(name, Reflect.get(descriptor, name));
    syncThread.epoch++;
    const defined = this.#askFor(Reflection.define, key, parts) === true;
    if (defined && descriptor.configurable === false) this.getOwnPropertyDescriptor(shadow, key);
    return defined;
  }

  getPrototypeOf(): object | null {
    if (this.#prototype === undefined) this.#prototype = this.#askForPrototype();
    return this.#prototype;
  }

  setPrototypeOf(_: object, prototype: object | null): boolean {
    syncThread.epoch++;
    const done = this.#ask(Reflection.setPrototype, [prototype]) === true;
    if (done) this.#prototype = this.#mayInherit(prototype) ? prototype : undefined;
    return done;
  }

  isExtensible(shadow: object): boolean {
    if (!Reflect.isExtensible(shadow)) return false;
    const answer = this.#ask(Reflection.isExtensible, []) === true;
    if (!answer) this.#solidify(shadow);
    return answer;
  }

  preventExtensions(shadow: object): boolean {
    syncThread.epoch++;
    const done = this.#ask(Reflection.preventExtensions, []) === true;
    if (done) this.#solidify(shadow);
    return done;
  }

  apply(_: object, receiver: unknown, args: unknown[]): unknown {
    const read = lastRead;
    lastRead = undefined;
    if (read?.value === this.proxy && read.holder.proxy === receiver) {
      return read.holder.invoke(read.key, args);
    }
    syncThread.epoch++;
    const call = (): unknown => this.#ask(Reflection.apply, [receiver, ...args]);
    return isListenerCall(receiver, args) ? quietly(call) : call();
  }

  construct(_: object, args: unknown[], newTarget: object): object {
    const isOther = newTarget !== this.proxy;
    if (isOther && !this.#asker.peerUsesProxies) {
      throw new TypeError("a class of a side that has stubs can't be extended here");
    }
    syncThread.epoch++;
    return this.#ask(Reflection.construct, [isOther ? newTarget : undefined, ...args]) as object;
  }

  #read(key: Key): unknown {
    // Whatever promise this is the result of, its own side has seen to that already.
    if (key === "then" && syncThread.isReading) return undefined;
    const fixed = key === "prototype" ? this.#traits?.fixed : undefined;
    if (fixed !== undefined) return fixed;
    if (key === "__proto__") return this.getPrototypeOf();
    if (key === "length" && this.target.shape === Shape.array) return this.#length();
    // An iterator over a container has nothing to clean up.
    if (key === "return" && isContainerPrototype(this.#prototype)) return undefined;
    return this.#askFor(Reflection.get, key, []);
  }

  /** What assigning does to an object that inherits from this one. */
  #setFor(shadow: object, key: Key, value: unknown, receiver: unknown): boolean {
    const own = this.getOwnPropertyDescriptor(shadow, key);
    if (own === undefined) {
      const prototype = this.getPrototypeOf();
      if (prototype !== null) return setBehind(prototype, key, value, receiver);
    } else if (!("value" in own)) {
      const { set: setter } = own as { readonly set?: (value: unknown) => void };
      if (setter !== undefined) Reflect.apply(setter, receiver, [value]);
      return setter !== undefined;
    } else if (own.writable === false) {
      return false;
    }
    return setOwn(receiver, key, value);
  }

  /** A method of its class, or of the engine's, without asking. */
  #findMethod(key: Key): object | undefined {
    if (key === Symbol.hasInstance && this.#traits?.decides !== false) return undefined;
    let found = this.#description?.methods.get(key);
    let next = this.#prototype;
    for (let step = 0; found === undefined && step < MAX_CHAIN; step++) {
      if (next === null || next === undefined) return undefined;
      const holder = SyncProxy.of(next);
      if (holder === undefined) {
        found = remoteMember(next, key, (value) => SyncProxy.of(value));
        next = prototypeOf(next);
      } else {
        found = holder.#description?.methods.get(key);
        next = holder.#behind;
      }
    }
    return found;
  }

  /**
   * The other side may say that everything inherits from something else, one after the other and
   * without end.
   */
  #askForPrototype(): object | null {
    const answer = this.#ask(Reflection.prototype, []);
    if (answer === null) return null;
    if ((typeof answer !== "object" && typeof answer !== "function") || !this.#mayInherit(answer)) {
      throw new TypeError("the other side told of a prototype that can be none");
    }
    const next = SyncProxy.of(answer);
    if (next !== undefined) next.#asked = Math.max(next.#asked, this.#asked + 1);
    if (this.#asked < MAX_CHAIN) return answer;
    throw new TypeError(`the other side tells of more than ${MAX_CHAIN} prototypes of one object`);
  }

  /** As far as prototypes are known. */
  #mayInherit(prototype: unknown): boolean {
    let next = SyncProxy.of(prototype);
    for (let step = 0; next !== undefined; step++) {
      if (next === this || step === MAX_TOLD_CHAIN) return false;
      next = SyncProxy.of(next.#prototype);
    }
    return true;
  }

  /** What it inherits from. Of one that was not described, anything may be in the way of that. */
  get #behind(): object | null | undefined {
    return this.#description === undefined ? undefined : this.#prototype;
  }

  /** Brings the elements along, for whoever asks for the length will ask for them. */
  #length(): unknown {
    const answer = this.#ask(Reflection.keys, [MAX_ARRAY_TOLD]);
    if (answer === undefined) return this.#askFor(Reflection.get, "length", []);
    this.#remember(new ToldProperties(answer));
    return this.#takeTold("length", "value")?.value as unknown;
  }

  /** Asks for all properties at once. */
  #tell(): ToldProperties {
    const properties = new ToldProperties(this.#ask(Reflection.keys, []));
    this.#remember(properties);
    return properties;
  }

  /** They are good until something may have changed. */
  #remember(properties: ToldProperties): void {
    this.#told = { properties, epoch: syncThread.epoch };
    queueMicrotask(() => {
      this.#told = undefined;
    });
  }

  #takeTold(key: Key, use: "descriptor" | "value" | "has"): PropertyDescriptor | undefined {
    const told = this.#told;
    if (told === undefined || told.epoch !== syncThread.epoch) return undefined;
    return told.properties.take(key, use);
  }

  /** Makes the shadow hold all there is, for nothing can be added any more. */
  #solidify(shadow: object): void {
    const prototype = this.getPrototypeOf();
    const properties = this.#tell();
    for (const key of properties.keys) {
      const descriptor =
        properties.descriptorOf(key) ?? toDescriptor(this.#askFor(Reflection.descriptor, key, []));
      if (descriptor !== undefined) Reflect.defineProperty(shadow, key, descriptor);
    }
    Object.setPrototypeOf(shadow, prototype);
    Reflect.preventExtensions(shadow);
  }

  #askFor(reflection: Reflection, key: Key, rest: readonly unknown[]): unknown {
    return typeof key === "string"
      ? this.#asker.ask(this.target, [reflection, ...rest], [key])
      : this.#asker.ask(this.target, [reflection, key, ...rest], NO_PATH);
  }

  #ask(reflection: Reflection, rest: readonly unknown[]): unknown {
    return this.#asker.ask(this.target, [reflection, ...rest], NO_PATH);
  }
}

function prototypeOf(value: object): object | null {
  return Object.getPrototypeOf(value) as object | null;
}
