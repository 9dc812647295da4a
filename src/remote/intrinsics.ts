/**
 * What every JavaScript engine has by itself, by name. Such things never cross as references: each
 * side means its own by the name, so that `instanceof` holds and nobody gets at another side's
 * `Object.prototype` or `Function`.
 */
const GLOBALS = [
  "Object", "Function", "Array", "String", "Number", "Boolean", "Symbol", "BigInt", "Promise",
  "Map", "Set", "WeakMap", "WeakSet", "WeakRef", "FinalizationRegistry", "Date", "RegExp",
  "Error", "TypeError", "RangeError", "SyntaxError", "ReferenceError", "EvalError", "URIError",
  "AggregateError", "ArrayBuffer", "SharedArrayBuffer", "DataView", "Int8Array", "Uint8Array",
  "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "Float32Array",
  "Float64Array", "BigInt64Array", "BigUint64Array", "Math", "JSON", "Reflect", "Proxy",
] as const; // prettier-ignore

/** Those that hand out what is in a container, which nothing but the container can change. */
const CONTAINER_ITERATORS: Readonly<Record<string, () => unknown>> = {
  "%ArrayIterator.prototype%": () => [].values(),
  "%MapIterator.prototype%": () => new Map().entries(),
  "%SetIterator.prototype%": () => new Set().values(),
  "%StringIterator.prototype%": () => ""[Symbol.iterator](),
};

const HIDDEN: Readonly<Record<string, () => unknown>> = {
  "%Iterator.prototype%": () => prototypeOf(prototypeOf([].values())),
  "%AsyncIterator.prototype%": () => prototypeOf(prototypeOf(async function* () {}.prototype)),
  "%Generator.prototype%": () => prototypeOf(function* () {}.prototype),
  "%AsyncGenerator.prototype%": () => prototypeOf(async function* () {}.prototype),
  "%GeneratorFunction.prototype%": () => prototypeOf(function* () {}),
  "%AsyncFunction.prototype%": () => prototypeOf(async () => {}),
  "%AsyncGeneratorFunction.prototype%": () => prototypeOf(async function* () {}),
  "%RegExpStringIterator.prototype%": () => prototypeOf("".matchAll(/x/g)),
  "%TypedArray.prototype%": () => prototypeOf(Uint8Array.prototype),
};

interface Tables {
  readonly names: Map<unknown, string>;
  readonly objects: Map<string, object>;
  readonly containerIterators: Set<unknown>;
}

let built: Tables | undefined;

/** The name of an intrinsic of this realm. */
export function intrinsicName(value: unknown): string | undefined {
  return tables().names.get(value);
}

/** `undefined` for a name that this engine doesn't know; a peer may have a newer one. */
export function intrinsicNamed(name: string): object | undefined {
  return tables().objects.get(name);
}

/** Whether it is an iterator of the engine's own over a container: it may be asked ahead. */
export function isContainerIterator(value: object): boolean {
  return isContainerPrototype(prototypeOf(value));
}

/** As `isContainerIterator`, of what the iterator inherits from. */
export function isContainerPrototype(prototype: unknown): boolean {
  return tables().containerIterators.has(prototype);
}

function tables(): Tables {
  return (built ??= build());
}

function build(): Tables {
  const made: Tables = { names: new Map(), objects: new Map(), containerIterators: new Set() };
  const add = (name: string, value: unknown): void => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return;
    if (made.names.has(value)) return;
    made.names.set(value, name);
    made.objects.set(name, value);
  };
  const addMethods = (name: string, holder: unknown): void => {
    for (const [key, { value }] of descriptorsOf(holder)) {
      if (typeof value === "function") add(`${name}.${key}`, value);
    }
  };
  for (const name of GLOBALS) {
    const value: unknown = Reflect.get(globalThis, name);
    // Some are kept from pages, as SharedArrayBuffer is.
    if (value === undefined) continue;
    add(name, value);
    const prototype: unknown = Object.getOwnPropertyDescriptor(value, "prototype")?.value;
    add(`${name}.prototype`, prototype);
  }
  for (const [name, find] of Object.entries(HIDDEN)) add(name, find());
  for (const [name, make] of Object.entries(CONTAINER_ITERATORS)) {
    const prototype = prototypeOf(make());
    add(name, prototype);
    made.containerIterators.add(prototype);
  }
  // Behind all objects, so that each has its own name and not that of a member of another.
  for (const [name, value] of Array.from(made.objects)) addMethods(name, value);
  return made;
}

function descriptorsOf(holder: unknown): [string, PropertyDescriptor][] {
  return Reflect.ownKeys(holder as object).flatMap((key): [string, PropertyDescriptor][] => {
    const descriptor = Object.getOwnPropertyDescriptor(holder, key);
    const name = typeof key === "string" ? key : `@@${key.description ?? ""}`;
    return descriptor === undefined ? [] : [[name, descriptor]];
  });
}

function prototypeOf(value: unknown): unknown {
  return Object.getPrototypeOf(value);
}

/** Makes `alias` cross as the intrinsic that it stands for. */
export function intrinsicAlias(alias: object, intrinsic: object): void {
  const name = intrinsicName(intrinsic);
  if (name !== undefined) tables().names.set(alias, name);
}
