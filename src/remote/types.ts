import type { Path } from "../wire/path.ts";
import type { PlainMode } from "./codec.ts";

/** What crosses as a copy, whatever the session's mode. */
type CopiedValue =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | void
  | Date
  | RegExp
  | URL
  | Error
  | Path
  | ArrayBuffer
  | ArrayBufferView
  | ReadableStream
  | WritableStream;

declare const remoteOf: unique symbol;

/** What every stub of a `T` is, whatever its members: for parameters. There is no such property. */
interface RemoteOf<T> {
  readonly [remoteOf]: T;
}

declare const resolvesThere: unique symbol;

/** What is awaited at the other side where it is an argument. There is no such property. */
export interface ResolvedThere<T> {
  readonly [resolvesThere]: T;
}

type Callable = (...args: never[]) => unknown;
type Constructible = abstract new (...args: never[]) => unknown;

/** Whether everything in `T` is copied where plain data is. */
type IsData<T> = T extends CopiedValue
  ? true
  : T extends Callable | Constructible | Promise<unknown> | AsyncIterable<unknown>
    ? false
    : T extends readonly (infer Item)[]
      ? IsData<Item>
      : T extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
        ? false
        : T extends object
          ? false extends { [Key in keyof T]-?: IsData<T[Key]> }[keyof T]
            ? false
            : true
          : true;

/** What the other side has once a value of type `T` has arrived. */
export type Received<T, Mode extends PlainMode = "reference"> = unknown extends T
  ? T
  : T extends CopiedValue
    ? T
    : T extends PromiseLike<infer Result>
      ? Promise<Received<Result, Mode>>
      : Mode extends "copy"
        ? false extends IsData<T>
          ? Remote<T, Mode>
          : T
        : Remote<T, Mode>;

/** A result: awaited, or used at once for the next call. */
export type RemoteResult<T, Mode extends PlainMode = "reference"> = Promise<
  Received<Awaited<T>, Mode>
> &
  ResolvedThere<Awaited<T>> &
  (unknown extends Awaited<T>
    ? unknown
    : Awaited<T> extends CopiedValue
      ? unknown
      : Omit<RemoteMembers<Awaited<T>, Mode>, keyof Promise<unknown>> &
          RemoteIteration<Awaited<T>, Mode>);

/** For each parameter: itself, its stub, or a result that is not there yet. */
type Arguments<Args extends readonly unknown[]> = {
  [Index in keyof Args]: unknown extends Args[Index]
    ? Args[Index]
    : Args[Index] extends CopiedValue
      ? Args[Index] | ResolvedThere<Args[Index]>
      : Args[Index] extends Callable
        ? Args[Index]
        : Args[Index] | RemoteOf<Awaited<Args[Index]>> | ResolvedThere<Awaited<Args[Index]>>;
};

type RemoteSignature<Args extends readonly unknown[], Result, Mode extends PlainMode> = (
  ...args: Arguments<Args>
) => RemoteResult<Result, Mode>;

/** What is inferred of a function with overloads is the last of them; nothing else is assignable to all. */
type RemoteCall<T, Mode extends PlainMode> = T extends (...args: infer Args) => infer Result
  ? ((...args: Args) => Result) extends T
    ? RemoteSignature<Args, Result, Mode>
    : RemoteOverloads<T, Mode>
  : unknown;

/** The last four; of a function with fewer, the first is there several times. */
type RemoteOverloads<T, Mode extends PlainMode> = T extends {
  (...args: infer Args1): infer Result1;
  (...args: infer Args2): infer Result2;
  (...args: infer Args3): infer Result3;
  (...args: infer Args4): infer Result4;
}
  ? RemoteSignature<Args1, Result1, Mode> &
      RemoteSignature<Args2, Result2, Mode> &
      RemoteSignature<Args3, Result3, Mode> &
      RemoteSignature<Args4, Result4, Mode>
  : unknown;

type RemoteConstruct<T, Mode extends PlainMode> = T extends new (
  ...args: infer Args
) => infer Instance
  ? new (...args: Arguments<Args>) => RemoteResult<Instance, Mode>
  : unknown;

type RemoteIteration<T, Mode extends PlainMode> =
  T extends ReadonlyMap<infer Key, infer Value>
    ? AsyncIterable<[Received<Awaited<Key>, Mode>, Received<Awaited<Value>, Mode>]>
    : RemoteItems<T, Mode>;

type RemoteItems<T, Mode extends PlainMode> = T extends
  | Iterable<infer Item>
  | AsyncIterable<infer Item>
  ? AsyncIterable<Received<Awaited<Item>, Mode>>
  : unknown;

/** A property, unread: await it to read it, call it to call it. */
type RemoteProperty<T, Mode extends PlainMode = "reference"> = 0 extends 1 & T
  ? Untyped
  : unknown extends T
    ? RemoteAnything
    : PromiseLike<Received<Awaited<T>, Mode>> &
        ResolvedThere<Awaited<T>> &
        ([NonNullable<T>] extends [never] ? unknown : PropertyMembers<NonNullable<T>, Mode>);

/** Of what may be missing, those of what is there. */
type PropertyMembers<T, Mode extends PlainMode> = T extends CopiedValue
  ? unknown
  : Remote<Awaited<T>, Mode>;

type RemoteMembers<T, Mode extends PlainMode> = {
  readonly [Key in keyof T as Key extends string | number ? Key : never]: RemoteProperty<
    T[Key],
    Mode
  >;
};

/** A stub that nobody has said the type of. */
// oxlint-disable-next-line typescript/no-explicit-any -- whatever is tried is to compile, under any settings
type Untyped = any;

/** What `session.remote` gives. */
export type RemoteNamed<T, Mode extends PlainMode> = unknown extends T
  ? Untyped
  : RemoteProperty<T, Mode>;

/** A property whose type is not known: everything may be tried, and what comes has to be looked at. */
type RemoteAnything = PromiseLike<unknown> & UnknownMembers;

interface UnknownMembers {
  (...args: unknown[]): RemoteAnything;
  new (...args: unknown[]): RemoteAnything;
  readonly [key: string]: RemoteAnything;
}

/**
 * An object that lives on the other side, as it is seen from here: its methods and properties are
 * there, each use is one request, and results are promises whose own members can be used at once.
 */
export type Remote<T, Mode extends PlainMode = "reference"> = unknown extends T
  ? Untyped
  : RemoteMembers<T, Mode> &
      RemoteCall<T, Mode> &
      RemoteConstruct<T, Mode> &
      RemoteIteration<T, Mode> &
      RemoteOf<T> &
      Disposable;
