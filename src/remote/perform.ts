import { RemoteError } from "../base/errors.ts";
import { byValue, PlainCopy } from "./by-value.ts";
import { evaluateFor } from "./evaluate.ts";
import { anyRules, expose, rulesOf } from "./expose.ts";
import { Chunk, serveIterator } from "./iteration-source.ts";
import { List } from "./list.ts";
import { bare, isThenable } from "./marks.ts";
import { notePairs } from "./pairs.ts";
import { checkAccess, checkValue, checkWhole, type Policy, readableKeys } from "./policy.ts";
import { Operation } from "./protocol.ts";
import { reflect } from "./reflect.ts";
import { replay } from "./replay.ts";
import { stubOf } from "./stub-handle.ts";
import type { Work } from "./work.ts";

/** One request, as it reaches the object it is for. */
export interface Performance {
  readonly policy: Policy;
  /** Where there is a limit on it. */
  readonly work: Work | undefined;
  readonly operation: Operation;
  readonly object: unknown;
  readonly path: readonly string[];
  readonly operands: readonly unknown[];
  /** Whether it came by an object whose plain data is to be copied. Set on the way. */
  copies: boolean;
}

/**
 * Walks the path and carries the operation out, as the same expression would here: what is called is
 * called on the object it was found on, and a promise on the way is waited for. Nothing waits where
 * there is no promise. Each step passes `checkAccess`.
 *
 * @returns the result, or a promise of it
 * @throws RemoteError `REMOTE_DENIED`; TypeError; whatever the object itself throws
 */
export function perform(performance: Performance): unknown {
  const { operation, object, path, operands } = performance;
  const isMarked = object instanceof PlainCopy;
  const start = isMarked ? object.value : object;
  if (isMarked) performance.copies = true;
  const onProperty = ACTS_ON_PROPERTY[operation] === true;
  const result =
    operation === Operation.reflect
      ? reflect(performance, passing(performance, start), path, operands)
      : walk(performance, start, onProperty ? path.length - 1 : path.length, 0);
  // Nothing is asked of what may be a proxy without need.
  const settled = operation === Operation.reflect || !anyRules();
  if (!performance.copies && settled) return result;
  if (!isThenable(result)) return performance.copies ? copied(result) : result;
  return Promise.resolve(result).then((value) => (performance.copies ? copied(value) : value));
}

/** Notes what the object says of what comes by it. */
function passing<T>(course: Performance, object: T): T {
  if (rulesOf(object)?.copies === true) course.copies = true;
  return object;
}

function copied(value: unknown): unknown {
  // What is still to come of an iteration is asked for at its source.
  const source = value instanceof Chunk ? value.source : undefined;
  if (source !== undefined) expose(source, { plain: "copy" });
  return PlainCopy.of(value);
}

const ACTS_ON_PROPERTY: Readonly<Partial<Record<Operation, boolean>>> = {
  [Operation.call]: true,
  [Operation.set]: true,
  [Operation.has]: true,
  [Operation.delete]: true,
};

function walk(performance: Performance, start: unknown, end: number, from: number): unknown {
  let object = start;
  for (let step = from; step < end; step++) {
    const held = passing(performance, bare(object));
    const next = read(performance.policy, held, performance.path[step] as string, "get");
    // Whoever asks for `then` itself wants no result.
    if (isThenable(next) && performance.path[step + 1] !== "then") {
      return Promise.resolve(next).then((value) => walk(performance, value, end, step + 1));
    }
    object = next;
  }
  return act(performance, object);
}

function act(course: Performance, found: unknown): unknown {
  const { policy, operation, path, operands } = course;
  if (operation === Operation.get) return found;
  const object = passing(course, bare(found));
  const key = path.at(-1);
  if (operation === Operation.call) {
    return key === undefined
      ? callWhole(policy, object, operands)
      : callMember(course, object, key);
  }
  if (operation === Operation.construct) return construct(policy, object, operands);
  if (operation === Operation.evaluate) return evaluateFor(policy, operands);
  if (operation === Operation.map) return mapItems(course, object);
  if (
    operation === Operation.set ||
    operation === Operation.has ||
    operation === Operation.delete
  ) {
    return actOnProperty(policy, operation, { object, key, value: operands[0] });
  }
  return actOnWhole(course, operation, object);
}

function mapItems({ policy, work, operands }: Performance, object: unknown): unknown {
  const stub = stubOf(object);
  if (stub !== undefined) return stub.request(Operation.map, operands);
  return replay(policy, object, operands[0], {
    perform: (step) => perform({ ...step, policy, work, copies: false }),
    spend: (steps) => work?.spend(steps),
  });
}

function callMember(
  { policy, work, operands: args }: Performance,
  object: unknown,
  key: string,
): unknown {
  const method = bare(read(policy, object, key, "call"));
  if (typeof method !== "function") throw new TypeError(`${JSON.stringify(key)} is not a function`);
  checkWhole(policy, method, "call");
  if (stubOf(method) !== undefined) return (method as (...args: unknown[]) => unknown)(...args);
  work?.spendOnCall(method as () => unknown, object, args);
  const result: unknown = Reflect.apply(method, object, args);
  if (key === "entries") notePairs(method, result);
  return result;
}

function callWhole(policy: Policy, object: unknown, args: readonly unknown[]): unknown {
  if (typeof object !== "function") throw new TypeError("the remote object is not a function");
  checkWhole(policy, object, "call");
  return Reflect.apply(object, undefined, args);
}

function construct(policy: Policy, object: unknown, args: readonly unknown[]): unknown {
  if (typeof object !== "function") throw new TypeError("the remote object is not a constructor");
  checkWhole(policy, object, "construct");
  return Reflect.construct(object, args);
}

interface Property {
  readonly object: unknown;
  readonly key: string | undefined;
  readonly value: unknown;
}

function actOnProperty(
  policy: Policy,
  operation: typeof Operation.set | typeof Operation.has | typeof Operation.delete,
  { object, key, value }: Property,
): unknown {
  if (key === undefined) throw new TypeError("there is no property to work on");
  const stub = stubOf(object);
  if (stub !== undefined) return stub.request(operation, [value], [...stub.path, key]);
  const name = operation === Operation.set ? "set" : operation === Operation.has ? "has" : "delete";
  checkAccess(policy, object, key, name);
  if (operation === Operation.has) return key in Object(object);
  if (operation === Operation.set) checkValue(policy, object, key, value);
  const done =
    operation === Operation.set
      ? Reflect.set(object as object, key, value)
      : Reflect.deleteProperty(object as object, key);
  if (!done)
    throw new TypeError(`can't ${name} ${JSON.stringify(key)}: the object doesn't allow it`);
  return undefined;
}

function actOnWhole(
  { policy, work, operands }: Performance,
  operation:
    | typeof Operation.keys
    | typeof Operation.snapshot
    | typeof Operation.iterate
    | typeof Operation.instanceOf
    | typeof Operation.entries
    | typeof Operation.map
    | typeof Operation.reflect
    | typeof Operation.bytes,
  object: unknown,
): unknown {
  const stub = stubOf(object);
  if (stub !== undefined) return stub.request(operation, operands);
  if (operation === Operation.instanceOf) return isInstance(object, operands[0]);
  if ((typeof object !== "object" && typeof object !== "function") || object === null) {
    if (operation === Operation.iterate) return serveIterator(object);
    return operation === Operation.snapshot ? object : [];
  }
  if (operation === Operation.iterate) {
    checkWhole(policy, object, "iterate");
    return serveIterator(object);
  }
  if (operation === Operation.keys) {
    const keys = readableKeys(policy, object);
    work?.note(keys.length);
    return byValue(keys);
  }
  if (operation === Operation.entries) return entriesOf(policy, work, object);
  checkWhole(policy, object, "snapshot");
  return byValue(object);
}

/** Names and values by turns. Of a Map its own; of anything else what may be read as data, each property through the door. */
function entriesOf(policy: Policy, work: Work | undefined, object: object): unknown {
  if (object instanceof Map) {
    checkWhole(policy, object, "iterate");
    work?.spend(object.size);
    return new List([...(object as ReadonlyMap<unknown, unknown>)].flat());
  }
  const keys = readableKeys(policy, object);
  work?.spend(keys.length);
  return new List(keys.flatMap((key) => [key, read(policy, object, key, "get")]));
}

function isInstance(object: unknown, Class: unknown): boolean {
  if (typeof Class !== "function" || stubOf(Class) !== undefined) {
    throw new RemoteError(
      "REMOTE_DENIED",
      "instanceOf needs a class that lives where the object lives",
    );
  }
  return object instanceof Class;
}

function read(policy: Policy, object: unknown, key: string, operation: "get" | "call"): unknown {
  if (stubOf(object) === undefined) checkAccess(policy, object, key, operation);
  return (object as Record<string, unknown>)[key];
}
