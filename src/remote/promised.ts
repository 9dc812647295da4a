import { type Deferred, deferred } from "../base/deferred.ts";

/** What became of a request that others refer to. */
export type Result =
  | { readonly state: "fulfilled"; readonly value: unknown }
  | { readonly state: "rejected"; readonly reason: unknown }
  | { readonly state: "pending"; readonly promise: Promise<unknown> }
  | Promised;

/** The result of a request that waits to be served, for those behind it that refer to it. */
export class Promised {
  readonly state = "promised";
  #result: Result | undefined;
  #waiting: Deferred<unknown> | undefined;

  get isServed(): boolean {
    return this.#result !== undefined;
  }

  /** As `valueOf` has it: a promise as long as the request was not served. */
  get value(): unknown {
    if (this.#result !== undefined) return valueOf(this.#result);
    this.#waiting ??= deferred();
    return this.#waiting.promise;
  }

  settle(result: Result): void {
    this.#result = result;
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    if (result.state !== "rejected") {
      waiting.resolve(valueOf(result));
      return;
    }
    // Nobody has to look.
    waiting.promise.catch(() => {});
    waiting.reject(result.reason);
  }
}

/** The value, or a promise of it. Throws why there is none. */
export function valueOf(result: Result): unknown {
  if (result.state === "promised") return result.value;
  if (result.state === "pending") return result.promise;
  if (result.state === "fulfilled") return result.value;
  throw result.reason;
}
