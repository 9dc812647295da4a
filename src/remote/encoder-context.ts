import type { Caller } from "./call.ts";
import type { PlainMode } from "./codec.ts";
import type { KnownErrors } from "./errors.ts";
import type { ExportTable } from "./exports.ts";
import type { Policy } from "./policy.ts";
import type { UniqueSymbols } from "./symbols.ts";
import type { ValueClasses } from "./value-classes.ts";

/** What the encoder needs of its session. */
export interface EncoderContext {
  /** The session itself: whose stubs come home. */
  readonly caller: Caller;
  readonly plain: PlainMode;
  readonly exports: ExportTable;
  readonly errors: KnownErrors;
  readonly symbols: UniqueSymbols;
  readonly values: ValueClasses;
  /** Of what the peer may do here. */
  readonly policy: Policy;
  /** Set where the peer uses proxies: references are described then, as far as this policy lets it. */
  readonly describes: Policy | undefined;
  /** Set where the peer wants to know the types of what it gets stubs of, as far as this policy lets it. */
  readonly tells: Policy | undefined;
  /** Set where this side does, so that an object may inherit from a thing of the peer's. */
  readonly usesProxies: boolean;
  /** Tells the peer, from now on, what becomes of a promise; answers with its id. */
  sendPromise(promise: PromiseLike<unknown>): number;
  cancelPromise(id: number): void;
  sendSignal(signal: AbortSignal): { readonly id: number; readonly listener: Disposable };
}
