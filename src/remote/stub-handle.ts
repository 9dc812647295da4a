import type { Caller, RemotePromise, Target } from "./call.ts";
import type { CallLimit } from "./deadlines.ts";
import type { Operation } from "./protocol.ts";

/** What is known here of a proxy for something elsewhere. Nothing but `request` and `read` asks the peer. */
export interface StubHandle {
  readonly proxy: object;
  readonly caller: Caller;
  /** Where it starts, and the properties from there that lead to it. */
  readonly target: Target;
  readonly path: readonly string[];
  /** Whether it is a reference by itself, not a property of one. */
  readonly isReference: boolean;
  /** Whether it is a proxy that is used as a local object is: what is done with it is done at once. */
  readonly isLocalLooking: boolean;

  /** Sends one request; `path` stands for the whole way from the target. */
  request(
    operation: Operation,
    operands: readonly unknown[],
    path?: readonly string[],
    limit?: CallLimit,
  ): RemotePromise<unknown>;

  /** What it stands for, by one request. */
  read(): RemotePromise<unknown>;

  /** Gives the reference up; a property has none of its own. */
  release(): void;
}

/** A proxy answers with its handle. Never given out. */
export const STUB: unique symbol = Symbol("stub");

/** The handle of a proxy that this package made; `undefined` for anything else. Asks no peer. */
export function stubOf(value: unknown): StubHandle | undefined {
  if ((typeof value !== "object" && typeof value !== "function") || value === null)
    return undefined;
  const stub = (value as { [STUB]?: StubHandle })[STUB];
  // An object whose prototype is a stub inherits the answer, but is none.
  return stub !== undefined && stub.proxy === value ? stub : undefined;
}

/** Asked before anything that would ask the peer about what its thing is. */
export function inheritsFromStub(value: object): boolean {
  let prototype: unknown = Object.getPrototypeOf(value);
  while (prototype !== null && prototype !== Object.prototype) {
    if (stubOf(prototype) !== undefined) return true;
    prototype = Object.getPrototypeOf(prototype);
  }
  return false;
}
