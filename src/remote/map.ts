import { RemoteError } from "../base/errors.ts";
import { Call, type Caller, record, RemotePromise, type Request } from "./call.ts";
import { List } from "./list.ts";
import { Operation } from "./protocol.ts";
import { MAX_STEPS, REPLAYED, Template } from "./replay.ts";
import { Stub } from "./stub.ts";
import { stubOf } from "./stub-handle.ts";
import type { Remote, ResolvedThere } from "./types.ts";

/** How an item is seen while the steps are noted: a stub as it is, anything else as not there yet. */
type Noted<Item> = Item extends Disposable ? Item : Promise<Item> & ResolvedThere<Item>;

/** What one item becomes: as the steps return it, with each result in it awaited. */
type Mapped<Result> =
  Result extends PromiseLike<infer Value>
    ? Awaited<Value>
    : Result extends readonly unknown[] | Readonly<Record<string, unknown>>
      ? Result extends Remote<unknown>
        ? Result
        : { -readonly [Key in keyof Result]: Mapped<Result[Key]> }
      : Result;

/**
 * Does the same with each item of something remote that can be iterated, over there, in one round trip:
 * `await map(api.users(), (user) => api.greet(user.name))`. The function is called once, at once, with a
 * stand-in for an item: what it does with that, and with other stubs of the session, is noted, and done
 * over there for every item, all of them at once. So it can't wait for anything, nor decide by what is
 * not known here. It may return a result, or a plain object or array of results, which comes as a copy.
 *
 * @throws TypeError where the function does what can't be noted; RemoteError `REMOTE_LIMIT` for more
 *   than 65,536 steps over all items; whatever a step throws
 */
export async function map<Item, Result>(
  list: AsyncIterable<Item>,
  step: (item: Noted<Item>) => Result,
): Promise<Mapped<Result>[]> {
  const call = RemotePromise.callOf(list);
  const stub = call === undefined ? stubOf(list) : new Stub(call, call.promise, []);
  if (!(stub instanceof Stub)) throw new TypeError("the first argument is no remote reference");
  const program = new Recorder(stub.caller).run(step as (item: unknown) => unknown);
  const results = await stub.request(Operation.map, [program]);
  if (!(results instanceof List)) throw new TypeError("the peer answered with no list");
  return results.values as Mapped<Result>[];
}

/** Notes what is asked of the stubs of a session, instead of asking it. */
class Recorder implements Caller {
  readonly #session: Caller;
  readonly #calls: Call[] = [];
  readonly #steps: List[] = [];

  constructor(session: Caller) {
    this.#session = session;
  }

  run(step: (item: unknown) => unknown): List {
    const item = this.#result();
    try {
      const result = record(this, () => step(item));
      if (result instanceof Promise && !this.#isOwn(RemotePromise.callOf(result))) {
        // What comes of it is nobody's any more.
        result.catch(() => {});
        throw new TypeError(
          "the function of map() can't wait for anything: it is called only once",
        );
      }
      return new List([new List(this.#steps), this.#template(result, true)]);
    } finally {
      const says = "results within map() are known at the other side only";
      for (const call of this.#calls) call.fail(new RemoteError("REMOTE_DENIED", says));
    }
  }

  request({ operation, target, path, operands }: Request): RemotePromise<unknown> {
    if (!REPLAYED.has(operation)) throw new TypeError("this can't be done within map()");
    if (this.#steps.length >= MAX_STEPS) throw new TypeError(`map() takes ${MAX_STEPS} steps`);
    if (target.caller !== this && target.caller !== this.#session) {
      throw new TypeError("a stub of another session was used within map()");
    }
    const base = target instanceof Call ? target.promise : new Stub(target, undefined, []).proxy;
    this.#steps.push(
      new List([
        operation,
        new List(path),
        this.#template(base, false),
        ...operands.map((operand) => this.#template(operand, false)),
      ]),
    );
    return this.#result();
  }

  keep(): boolean {
    return true;
  }

  pull(): void {}

  release(): void {}

  #result(): RemotePromise<unknown> {
    const call = new Call(this);
    call.id = this.#calls.length;
    this.#calls.push(call);
    return call.promise;
  }

  #isOwn(call: Call | undefined): boolean {
    return call?.caller === this;
  }

  /** What a value is made of over there. Plain containers are made anew if they have to be, or `anew`. */
  #template(value: unknown, anew: boolean): List {
    const noted = this.#notedOf(value);
    if (noted !== undefined) return noted;
    if (!isContainer(value) || !(anew || this.#holdsNoted(value, new Set()))) {
      return new List([Template.value, value]);
    }
    if (Array.isArray(value)) {
      return new List([Template.array, ...value.map((inner) => this.#template(inner, anew))]);
    }
    const parts = Object.entries(value).flatMap(([key, inner]) => [
      key,
      this.#template(inner, anew),
    ]);
    return new List([Template.object, ...parts]);
  }

  #notedOf(value: unknown): List | undefined {
    const call = RemotePromise.callOf(value);
    if (call !== undefined) {
      return this.#isOwn(call) ? new List([Template.result, call.id, new List([])]) : undefined;
    }
    const stub = stubOf(value);
    if (stub === undefined || !(stub.target instanceof Call) || !this.#isOwn(stub.target)) {
      return undefined;
    }
    return new List([Template.result, stub.target.id, new List(stub.path)]);
  }

  #holdsNoted(value: unknown, seen: Set<unknown>): boolean {
    if (this.#notedOf(value) !== undefined) return true;
    if (!isContainer(value) || seen.has(value)) return false;
    seen.add(value);
    return Object.values(value).some((inner) => this.#holdsNoted(inner, seen));
  }
}

function isContainer(value: unknown): value is object {
  if (typeof value !== "object" || value === null || stubOf(value) !== undefined) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Array.prototype || prototype === Object.prototype || prototype === null;
}
