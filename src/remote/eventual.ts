import { RemoteError } from "../base/errors.ts";
import { Call, type Caller, type RemotePromise } from "./call.ts";
import type { PlainMode } from "./codec.ts";
import type { Remote, RemoteResult } from "./types.ts";

/** Of a promise that no session made: what is asked of it waits until it is there. */
const waiting: Caller = {
  keep: () => false,
  pull: () => {},
  release: () => {},
  request: (): RemotePromise<unknown> => {
    const call = new Call(waiting);
    call.fail(new RemoteError("REMOTE_CLOSED", "there is no session yet"));
    return call.promise;
  },
};

/**
 * What can be used like the result of a call before there is a session to call: `promise` gives a
 * reference, or the value, later. Calls made on it until then are kept, and made in their order.
 */
export function eventual<T, Mode extends PlainMode = "reference">(
  promise: PromiseLike<Remote<T, Mode> | T>,
): RemoteResult<T, Mode> {
  const call = new Call(waiting);
  (promise as PromiseLike<unknown>).then(
    (value) => call.fulfill(value),
    (reason: unknown) => call.fail(reason),
  );
  return call.promise as unknown as RemoteResult<T, Mode>;
}
