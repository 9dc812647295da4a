import { RemoteError } from "../base/errors.ts";
import { bare, isThenable } from "./marks.ts";
import { PlainCopy } from "./by-value.ts";
import { List } from "./list.ts";
import { checkOperand, checkWhole, type Policy } from "./policy.ts";
import { MAX_PATH_STEPS, Operation } from "./protocol.ts";

/** How a value of a step is made: the first part of a list. */
export const Template = {
  /** The value. */
  value: 0,
  /** The number of a result, 0 for the item; a list: the way from there. */
  result: 1,
  /** The templates of its elements. */
  array: 2,
  /** Names and templates, by turns. */
  object: 3,
} as const;

/** What a step may do. */
export const REPLAYED: ReadonlySet<Operation> = new Set([
  Operation.call,
  Operation.construct,
  Operation.get,
]);

export const MAX_STEPS = 64;
const MAX_DEPTH = 32;

/** In all, each of them for each item. */
const MAX_REPLAYED = 65_536;
/** A step of an item is as much work as so many values that are read. */
const WORK_OF_STEP = 32;

/** Does one thing, as a request of its own would. */
export type PerformStep = (step: {
  readonly operation: Operation;
  readonly object: unknown;
  readonly path: readonly string[];
  readonly operands: readonly unknown[];
}) => unknown;

interface Step {
  readonly operation: Operation;
  readonly path: readonly string[];
  /** Of what it is done to, and of its operands. */
  readonly templates: readonly unknown[];
}

/**
 * Does what the peer noted for each item of `object`, which is everything that `for await` would get:
 * every step of every item passes the door that a request would. Items don't wait for each other.
 *
 * @throws RemoteError `REMOTE_LIMIT`, `REMOTE_DENIED`; TypeError for steps that are none
 */
export async function replay(
  policy: Policy,
  object: unknown,
  program: unknown,
  { perform, spend }: { readonly perform: PerformStep; readonly spend: (steps: number) => void },
): Promise<List> {
  const { steps, result } = programOf(program);
  if (typeof object === "object" && object !== null) checkWhole(policy, object, "iterate");
  const results: Promise<unknown>[] = [];
  const cost = steps.length + sizeOf(program);
  const admitted: PerformStep = (step) => {
    for (const operand of step.operands) checkOperand(policy, operand);
    return perform(step);
  };
  let left = MAX_REPLAYED;
  for await (const item of iterable(object)) {
    spend(cost * WORK_OF_STEP);
    left -= cost;
    if (left < 0) {
      throw new RemoteError("REMOTE_LIMIT", "there are too many items for the steps of map()");
    }
    results.push(handled(replayOne(steps, result, item, admitted)));
  }
  return new List(await Promise.all(results));
}

/** Of one item: each step begins when what it needs is there. */
async function replayOne(
  steps: readonly Step[],
  result: unknown,
  item: unknown,
  perform: PerformStep,
): Promise<unknown> {
  const results: unknown[] = [item];
  const read = (object: unknown, path: readonly string[]): unknown =>
    perform({ operation: Operation.get, object, path, operands: [] });
  for (const { operation, path, templates } of steps) {
    const made = templates.map((template) => make(template, results, read));
    const act = ([object, ...operands]: readonly unknown[]): unknown =>
      perform({ operation, object, path, operands: operands.map(bare) });
    const outcome = hasPromise(made) ? Promise.all(made).then(act) : act(made);
    results.push(isThenable(outcome) ? handled(Promise.resolve(outcome)) : outcome);
  }
  const made: unknown = await make(result, results, read);
  const isMade = result instanceof List && result.values[0] !== Template.result;
  return isMade ? PlainCopy.of(made) : made;
}

type Read = (object: unknown, path: readonly string[]) => unknown;

/** A value, or a promise of it. */
function make(template: unknown, results: readonly unknown[], read: Read, depth = 0): unknown {
  if (!(template instanceof List) || depth > MAX_DEPTH) return malformed();
  const [kind, ...parts] = template.values;
  const inner = (part: unknown): unknown => make(part, results, read, depth + 1);
  switch (kind) {
    case Template.value:
      return parts[0];
    case Template.result:
      return resultOf(parts, results, read);
    case Template.array: {
      const elements = parts.map(inner);
      return hasPromise(elements) ? Promise.all(elements) : elements;
    }
    case Template.object:
      return objectOf(parts, inner);
    default:
      return malformed();
  }
}

function resultOf([number, path]: unknown[], results: readonly unknown[], read: Read): unknown {
  if (typeof number !== "number" || !(number in results)) return malformed();
  const names = pathOf(path);
  const from = results[number];
  if (names.length === 0) return from;
  return from instanceof Promise ? from.then((object) => read(object, names)) : read(from, names);
}

function objectOf(parts: readonly unknown[], inner: (part: unknown) => unknown): unknown {
  const keys: string[] = [];
  const values: unknown[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    keys.push(asName(parts[i]));
    values.push(inner(parts[i + 1]));
  }
  const build = (made: readonly unknown[]): unknown =>
    Object.fromEntries(keys.map((key, i) => [key, made[i]]));
  return hasPromise(values) ? Promise.all(values).then(build) : build(values);
}

/** Of templates in each other: so many values are made for each item. */
function sizeOf(template: unknown, depth = 0): number {
  if (!(template instanceof List) || depth > 2 * MAX_DEPTH) return 0;
  return template.values.reduce<number>((sum, part) => sum + sizeOf(part, depth + 1), 1);
}

function hasPromise(values: readonly unknown[]): boolean {
  return values.some((value) => value instanceof Promise);
}

function programOf(program: unknown): {
  readonly steps: readonly Step[];
  readonly result: unknown;
} {
  if (!(program instanceof List)) return malformed();
  const [steps, result] = program.values;
  if (!(steps instanceof List) || steps.values.length > MAX_STEPS) return malformed();
  return { steps: steps.values.map(stepOf), result };
}

function stepOf(step: unknown): Step {
  if (!(step instanceof List)) return malformed();
  const [operation, path, ...templates] = step.values;
  if (!REPLAYED.has(operation as Operation)) return malformed();
  return { operation: operation as Operation, path: pathOf(path), templates };
}

function pathOf(path: unknown): readonly string[] {
  if (!(path instanceof List) || path.values.length > MAX_PATH_STEPS) return malformed();
  return path.values.map(asName);
}

function asName(name: unknown): string {
  return typeof name === "string" ? name : malformed();
}

function iterable(object: unknown): AsyncIterable<unknown> | Iterable<unknown> {
  const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = Object(object) as {
    [Symbol.asyncIterator]?: unknown;
    [Symbol.iterator]?: unknown;
  };
  if (typeof later === "function" || typeof now === "function") {
    return object as Iterable<unknown>;
  }
  throw new TypeError("the remote object is not iterable");
}

function malformed(): never {
  throw new TypeError("the steps of map() are malformed");
}

function handled(promise: Promise<unknown>): Promise<unknown> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}
