/**
 * Every error this package throws on purpose, and the codes they carry.
 *
 * A caller decides on `code`, never on `message`. Codes are public API: adding one is a minor
 * change, removing or reusing one is a major change. A mistake in the caller's own program (a wrong
 * type, a method on a closed object where that can't be a race) is a `TypeError` or `RangeError`
 * without a code. An abort is thrown as the signal's own `reason`, never wrapped.
 */
import { ERROR_CODES, type CodesOf, type ErrorCode } from "./error-codes.ts";

export interface BanyanErrorOptions {
  /** The error that led to this one. */
  cause?: unknown;
  /** Facts a program may use. They cross the wire, so: plain values, no secrets. */
  details?: Readonly<Record<string, unknown>>;
}

/** What an error becomes in `-o json` and in logs. */
export interface BanyanErrorJson {
  readonly name: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

// Registered, so that it is the same symbol in a vm context and in a second copy of this package,
// where `instanceof` answers false.
const BRAND = Symbol.for("banyan.error");

/** Base of all. Not thrown itself: throw the class of your layer. */
export abstract class BanyanError<Code extends ErrorCode = ErrorCode> extends Error {
  readonly code: Code;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string = ERROR_CODES[code].says, options?: BanyanErrorOptions) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options?.details ?? {};
  }

  /** Whether the same call, unchanged, may succeed later. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  toJSON(): BanyanErrorJson {
    const { name, code, message, details } = this;
    return { name, code, message, details };
  }

  /** Tells one of ours from any other value, across threads, contexts and copies of the package. */
  static is(value: unknown): value is BanyanError {
    return typeof value === "object" && value !== null && BRAND in value;
  }

  /** Whether `value` is one of ours and carries this very code. */
  static has<Code extends ErrorCode>(value: unknown, code: Code): value is BanyanError<Code> {
    return BanyanError.is(value) && value.code === code;
  }

  static {
    Object.defineProperty(BanyanError.prototype, BRAND, { value: true });
  }
}

function layerError<Layer extends string>(
  name: string,
): new (
  code: CodesOf<Layer>,
  message?: string,
  options?: BanyanErrorOptions,
) => BanyanError<CodesOf<Layer>> {
  class LayerError extends BanyanError<CodesOf<Layer>> {}
  Object.defineProperty(LayerError, "name", { value: name });
  Object.defineProperty(LayerError.prototype, "name", {
    value: name,
    writable: true,
    configurable: true,
  });
  return LayerError;
}

/** Bytes are no value, or a value can't become bytes. */
export class WireError extends layerError<"WIRE">("WireError") {}
/** A channel can't be opened, or can't go on. */
export class ChannelError extends layerError<"CHANNEL">("ChannelError") {}
/** A session, a call or a remote reference failed. */
export class RemoteError extends layerError<"REMOTE">("RemoteError") {}
/** An interpreter elsewhere can't be started, reached or given work. */
export class GatewayError extends layerError<"GATEWAY">("GatewayError") {}
/** A store refused or failed. */
export class EngineError extends layerError<"ENGINE">("EngineError") {}
/** A path or a tree operation is wrong. */
export class TreeError extends layerError<"TREE">("TreeError") {}
/** Whatever runs stored code refused it or lost it. */
export class ExecutorError extends layerError<"EXECUTOR">("ExecutorError") {}
/** Stored code doesn't compile, link or bind. */
export class CodeError extends layerError<"CODE">("CodeError") {}
/** A job, a run, a lease or a group refused or failed. */
export class RunnerError extends layerError<"RUNNER">("RunnerError") {}
/** A node or a hub can't be started or reached. */
export class NodeError extends layerError<"NODE">("NodeError") {}
/** The command was used wrongly. */
export class CliError extends layerError<"CLI">("CliError") {}

const CLASSES: Readonly<
  Record<string, new (code: never, message?: string, options?: BanyanErrorOptions) => BanyanError>
> = Object.assign(Object.create(null) as object, {
  WIRE: WireError,
  CHANNEL: ChannelError,
  REMOTE: RemoteError,
  GATEWAY: GatewayError,
  ENGINE: EngineError,
  TREE: TreeError,
  EXECUTOR: ExecutorError,
  CODE: CodeError,
  RUNNER: RunnerError,
  NODE: NodeError,
  CLI: CliError,
});

/**
 * One of ours from its parts, as they come off the wire: the class follows from the code. Anything
 * that is no code of ours gives `undefined`.
 */
export function errorFromCode(
  code: unknown,
  message: string,
  options: BanyanErrorOptions,
): BanyanError | undefined {
  if (typeof code !== "string" || !Object.hasOwn(ERROR_CODES, code)) return undefined;
  const Class = CLASSES[code.slice(0, code.indexOf("_"))];
  return Class === undefined ? undefined : new Class(code as never, message, options);
}
