import { RemoteError } from "../base/errors.ts";
import { isCompiler, powerOf } from "./builtins.ts";
import { rulesOf } from "./expose.ts";
import { intrinsicName } from "./intrinsics.ts";
import type { Operation } from "./protocol.ts";
import { Restricted } from "./restricted.ts";

/**
 * How much of an object a peer that holds it may touch.
 *
 * - "capability": functions may be called, plain objects and arrays are data, of class instances the
 *   methods and accessors of their classes. Strings, other primitives and regular expressions cross as
 *   copies, so nothing is called on them here: what they can do (`repeat`, a search that takes years)
 *   would be the peer's to use on this process;
 * - "trusted": these, and the own fields of class instances as well; functions and instances may be
 *   written to, and source be run.
 *
 * Under either, nobody gets at `__proto__`, `constructor` or `prototype`, at what `Object.prototype`
 * and `Function.prototype` give to everything, nor may call what compiles text (`Function`, `eval`, of
 * whatever realm, bound or extended). Under "capability" neither what looks past this door: the
 * functions of `Reflect` and `Object`.
 */
export type Policy = "capability" | "trusted";

/** What is done with a property; "invoke" stands for the object itself. */
export type Access = keyof typeof Operation | "define" | "invoke";

const FORBIDDEN = new Set([
  "__proto__",
  "constructor",
  "prototype",
  "caller",
  "arguments",
  "callee",
]);

/** Where a property was found: on `object` itself, on one of its classes, or on what all share. */
type Place = "own" | "class" | "shared" | "nowhere";

/** What is said of objects for which `access` has to decide. */
type Kind = "data" | "instance" | "prototype" | "function" | "primitive";

/**
 * The one door that every operation of a peer passes, each step of a pipelined path and each
 * iteration included. Throws where it stays shut; otherwise the operation may be carried out on
 * exactly this object and key, and on nothing beyond.
 *
 * @throws RemoteError `REMOTE_DENIED`; TypeError for a property of null or undefined
 */
export function checkAccess(
  policy: Policy,
  object: unknown,
  key: string | symbol,
  operation: Access,
): void {
  if (object === null || object === undefined) {
    throw new TypeError(`can't ${verb(operation)} ${shown(key)} of ${object}`);
  }
  checkName(object, key, operation);
  const kind = kindOf(object);
  const place = placeOf(object, key);
  if (place === "shared") {
    deny(key, operation, "it belongs to Object.prototype or Function.prototype, not to the object");
  }
  if (isWrite(operation)) checkWrite(policy, kind, object, { key, operation });
  else if (policy === "capability") checkUse(kind, place, object, { key, operation });
}

/** Of those who are not trusted. */
function checkUse(
  kind: Kind,
  place: Place,
  object: object,
  { key, operation }: { key: string | symbol; operation: Access },
): void {
  if (place === "class" && isCopied(object, kind)) {
    deny(key, operation, "the object crosses as a copy; use that");
  }
  if (kind === "instance") checkInstance(object, place, { key, operation });
  // What its instances don't offer would run as well with another `this`, or with none.
  if (kind === "prototype" && rulesOf(object)?.members?.has(key) === false) {
    deny(key, operation, NOT_EXPOSED);
  }
}

const NOT_EXPOSED = "the class does not expose it";

function checkInstance(
  object: object,
  place: Place,
  { key, operation }: { key: string | symbol; operation: Access },
): void {
  const rules = rulesOf(object);
  if (place === "class" && rules?.members?.has(key) === false) {
    deny(key, operation, NOT_EXPOSED);
  }
  if (place !== "own" || rules?.readable.has(key) === true) return;
  deny(
    key,
    operation,
    'it is an own field of a class instance; offer a method or a getter for it, expose() it, or open the session with the policy "trusted"',
  );
}

/**
 * The same door for what is done with a whole object: calling it, constructing, iterating, listing or
 * copying what is in it.
 *
 * @throws RemoteError `REMOTE_DENIED`
 */
export function checkWhole(policy: Policy, object: unknown, operation: Access): void {
  if (operation === "call" || operation === "construct") checkFunction(policy, object, operation);
  if (operation === "iterate") checkIterable(policy, object);
  if (operation === "snapshot" && policy === "capability" && kindOf(object) === "instance") {
    deny("", operation, "it is a class instance, whose own fields are not reachable");
  }
}

/** Its iterator is a method as others are. */
function checkIterable(policy: Policy, object: unknown): void {
  const isLater = Symbol.asyncIterator in Object(object);
  const key = isLater ? Symbol.asyncIterator : Symbol.iterator;
  checkAccess(policy, object, key, "call");
}

function checkFunction(policy: Policy, object: unknown, operation: Access): void {
  if (typeof object !== "function") return;
  const power = powerOf(object as () => unknown);
  if (power === "compiler") deny("", operation, "it compiles text into code");
  if (policy === "trusted") return;
  if (power === "reflective") deny("", operation, "it reaches past what the policy allows");
  if (power === "endless") deny("", operation, "it may never end; iterate instead");
}

/**
 * The same door for something of ours that a peer names as an argument: code of this side may call it.
 *
 * @throws RemoteError `REMOTE_DENIED`
 */
export function checkOperand(policy: Policy, value: unknown): void {
  if (typeof value === "function") checkFunction(policy, value, "call");
}

/**
 * The same door for a function or object of ours that is about to be handed to a peer. What every engine
 * has itself is none of ours to give away, but for functions that do no more than compute.
 *
 * @throws RemoteError `REMOTE_DENIED`
 */
export function checkLeaving(policy: Policy, object: object): void {
  if (isCompiler(object)) deny("", "get", "it compiles text into code");
  if (policy === "trusted") return;
  if (typeof object === "function" && object !== Function.prototype) return;
  const name = intrinsicName(object);
  if (name !== undefined && /prototype%?$/.test(name)) {
    deny("", "get", "it is what all objects of a kind inherit from");
  }
}

/**
 * The same door for what is about to be set. An array grows by one element at a time: with a length
 * of billions its own methods would run for minutes.
 *
 * @throws RemoteError `REMOTE_DENIED`
 */
export function checkValue(
  policy: Policy,
  object: unknown,
  key: string | symbol,
  value: unknown,
): void {
  if (policy !== "capability" || !Array.isArray(object) || typeof key === "symbol") return;
  const { length } = object;
  const fits =
    key === "length"
      ? typeof value === "number" && value <= length
      : !isIndex(key) || Number(key) <= length;
  if (!fits) deny(key, "set", `an array of ${length} elements grows by one at a time; use push`);
}

/** The names of what a peer may read on `object` as data. */
export function readableKeys(policy: Policy, object: object): string[] {
  const offered = Restricted.namesOf(object);
  if (offered !== undefined) return [...offered];
  if (policy === "capability" && kindOf(object) === "instance") {
    const readable = rulesOf(object)?.readable;
    return readable === undefined ? [] : Object.keys(object).filter((key) => readable.has(key));
  }
  return Object.keys(object).filter((key) => !FORBIDDEN.has(key));
}

function checkName(object: object, key: string | symbol, operation: Access): void {
  if (isForbidden(key)) deny(key, operation, "this name is never reachable from outside");
  const offered = Restricted.namesOf(object);
  if (
    offered !== undefined &&
    (operation === "delete" || typeof key === "symbol" || !offered.has(key))
  ) {
    deny(key, operation, "only some members of the object are offered");
  }
}

function checkWrite(
  policy: Policy,
  kind: Kind,
  object: object,
  { key, operation }: { key: string | symbol; operation: Access },
): void {
  if (kind === "primitive") deny(key, operation, "it is no object");
  if (Object.hasOwn(Object.prototype, key)) {
    deny(key, operation, "it would take the place of what Object.prototype gives to everything");
  }
  if (kind === "data" || policy === "trusted") return;
  // Anything else would become an own property in the place of a method, for everybody here as well.
  if (kind === "instance" && operation === "set" && maySet(object, key)) return;
  deny(key, operation, "only plain objects, arrays and setters of classes may be written");
}

function maySet(object: object, key: string | symbol): boolean {
  const rules = rulesOf(object);
  if (Object.hasOwn(object, key)) return rules?.writable.has(key) === true;
  return hasSetter(object, key) && rules?.members?.has(key) !== false;
}

/** Whether something of its class runs when the property is set, so that it isn't only stored. */
function hasSetter(object: object, key: string | symbol): boolean {
  let holder: unknown = Object.hasOwn(object, key) ? null : Object.getPrototypeOf(object);
  while (holder !== null && !Object.hasOwn(holder as object, key)) {
    holder = Object.getPrototypeOf(holder);
  }
  return holder !== null && Object.getOwnPropertyDescriptor(holder, key)?.set !== undefined;
}

function kindOf(object: unknown): Kind {
  if (typeof object === "function") return "function";
  if (typeof object !== "object") return "primitive";
  if (isClassPrototype(object as object)) return "prototype";
  if (Array.isArray(object)) return "data";
  const prototype: unknown = Object.getPrototypeOf(object);
  return prototype === null || isObjectPrototype(prototype) ? "data" : "instance";
}

/** Whether it is what the instances of some class inherit from. */
export function isClassPrototype(object: object): boolean {
  const maker: unknown = Object.getOwnPropertyDescriptor(object, "constructor")?.value;
  if (typeof maker !== "function") return false;
  return Object.getOwnPropertyDescriptor(maker, "prototype")?.value === object;
}

/** What the peer gets a copy of whenever it crosses. */
function isCopied(object: unknown, kind: Kind): boolean {
  return kind === "primitive" || object instanceof RegExp;
}

function isIndex(key: string): boolean {
  return /^(0|[1-9]\d{0,9})$/.test(key);
}

function placeOf(object: unknown, key: string | symbol): Place {
  let holder: unknown = Object(object);
  for (let own = true; holder !== null; own = false) {
    const isOwn = Object.hasOwn(holder as object, key);
    if (isObjectPrototype(holder)) return isOwn ? "shared" : "nowhere";
    // Behind Function.prototype comes Object.prototype.
    if (isFunctionPrototype(holder)) {
      if (isOwn) return "shared";
    } else if (isOwn) {
      return own ? "own" : "class";
    }
    holder = Object.getPrototypeOf(holder);
  }
  return "nowhere";
}

/** Of any realm: a vm context has an `Object.prototype` of its own. */
function isObjectPrototype(value: unknown): boolean {
  if (value === Object.prototype) return true;
  return (
    typeof value === "object" &&
    value !== null &&
    Object.getPrototypeOf(value) === null &&
    Object.hasOwn(value, "isPrototypeOf")
  );
}

function isFunctionPrototype(value: unknown): boolean {
  if (value === Function.prototype) return true;
  return (
    typeof value === "function" &&
    Object.hasOwn(value, Symbol.hasInstance) &&
    Object.hasOwn(value, "bind")
  );
}

function isWrite(operation: Access): boolean {
  return operation === "set" || operation === "delete" || operation === "define";
}

/** Whether it is a name that no operation of a stub reaches. */
export function isForbidden(key: string | symbol): boolean {
  return typeof key === "string" && FORBIDDEN.has(key);
}

/** What everything inherits, and is the engine's own: whoever wants it has one of their own. */
export function isShared(object: unknown, key: string | symbol): boolean {
  return object !== null && object !== undefined && placeOf(object, key) === "shared";
}

function shown(key: string | symbol): string {
  return typeof key === "string" ? JSON.stringify(key) : `[${String(key)}]`;
}

function deny(key: string | symbol, operation: Access, why: string): never {
  const what = key === "" ? "this object" : shown(key);
  throw new RemoteError("REMOTE_DENIED", `may not ${verb(operation)} ${what}: ${why}`, {
    details: { key: typeof key === "string" ? key : String(key), operation },
  });
}

function verb(operation: Access): string {
  return operation === "get" ? "read" : operation === "keys" ? "list the keys of" : operation;
}
