/**
 * Errors as plain data. An error always arrives: what of it can't be copied is left out. No class is
 * looked up by what a peer says but out of one table, and no property it names can replace a method.
 */
import { BanyanError, errorFromCode } from "../base/errors.ts";
import { kindOf } from "./kind.ts";

/** An error as plain values, which `writeValue` takes. */
export interface ErrorRecord {
  /** The built-in class it is or extends; absent for `Error` itself. */
  readonly type?: string;
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** Of a `BanyanError`, with `details`. */
  readonly code?: string;
  readonly details?: unknown;
  /** Its own properties that are plain values. */
  readonly props?: Readonly<Record<string, unknown>>;
  /** Its own properties that are errors. */
  readonly errorProps?: Readonly<Record<string, ErrorRecord>>;
  readonly cause?: ErrorRecordNested;
  /** Of an `AggregateError`. */
  readonly errors?: readonly ErrorRecordNested[];
}

/** What was thrown inside: an error, or some other plain value. */
type ErrorRecordNested = { readonly error: ErrorRecord } | { readonly value: unknown };

const MAX_DEPTH = 16;
// What is copied for one record at most, in values; an error counts as many, for its stack.
const MAX_NODES = 10_000;
const NODES_OF_ERROR = 40;
const MAX_TEXT_CHARS = 64 * 1024;
const LEFT_OUT = Symbol("left out");

const CLASSES: Readonly<Record<string, new (message: string) => Error>> = Object.assign(
  Object.create(null) as object,
  { TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError },
);

// These have their own place in the record, or would change how the error behaves.
const NOT_PROPS: ReadonlySet<string> = new Set(
  ["name", "message", "stack", "cause", "errors", "toJSON", "then", "retryable"].concat(
    Object.getOwnPropertyNames(Object.prototype),
  ),
);

/**
 * The record of an error; anything else that was thrown becomes the record of an `Error` that says
 * so. Never throws, whatever the error's getters do. A text of more than 65,536 characters is cut.
 */
export function toErrorRecord(error: unknown): ErrorRecord {
  try {
    return new Copier().record(error);
  } catch {
    // A proxy whose traps throw.
    return { name: "Error", message: "an error that can't be shown" };
  }
}

/** As `toErrorRecord`, with nothing but short texts: for where the full record is over a limit. */
export function toBriefErrorRecord(error: unknown): ErrorRecord {
  const { name, message, type, code } = toErrorRecord(error);
  return {
    ...(type === undefined ? {} : { type }),
    ...(code === undefined ? {} : { code }),
    name: name.slice(0, 256),
    message: message.slice(0, 4096),
  };
}

/**
 * A real error of the right class: the built-in one, one of ours by its code, else an `Error` that
 * keeps its name. Takes anything, as records come from peers, and never throws.
 */
export function fromErrorRecord(record: unknown): Error {
  // Its stack comes with it. To note this side's takes ten times as long as all the rest, which a
  // message of a million errors would make use of.
  const limit: unknown = Reflect.get(Error, "stackTraceLimit");
  Reflect.set(Error, "stackTraceLimit", 0);
  try {
    return build(record, 0);
  } finally {
    Reflect.set(Error, "stackTraceLimit", limit);
  }
}

class Copier {
  readonly #ancestors: object[] = [];
  #nodes = 0;

  record(error: unknown): ErrorRecord {
    if (!isError(error)) return { name: "Error", message: `thrown: ${describe(error)}` };
    this.#nodes += NODES_OF_ERROR;
    this.#ancestors.push(error);
    const type = typeOf(error);
    const name = textOf(read(error, "name"));
    const record: ErrorRecord = {
      ...(type === "Error" ? {} : { type }),
      name: name === undefined || name === "" ? type : name,
      message: textOf(read(error, "message")) ?? "",
      ...optional("stack", textOf(read(error, "stack"))),
      ...this.#ours(error),
      ...this.#props(error),
      ...optional("cause", this.#nested(read(error, "cause"))),
      ...optional("errors", this.#errors(error)),
    };
    this.#ancestors.pop();
    return record;
  }

  #ours(error: object): Pick<ErrorRecord, "code" | "details"> {
    if (!BanyanError.is(error)) return {};
    const code = read(error, "code");
    if (typeof code !== "string") return {};
    const details = this.#plain(read(error, "details"));
    return { code, ...(isFilled(details) ? { details } : {}) };
  }

  #props(error: object): Pick<ErrorRecord, "props" | "errorProps"> {
    const props: Record<string, unknown> = {};
    const errorProps: Record<string, ErrorRecord> = {};
    const ours = BanyanError.is(error);
    for (const key of keysOf(error)) {
      if (NOT_PROPS.has(key) || (ours && (key === "code" || key === "details"))) continue;
      const value = read(error, key, LEFT_OUT);
      if (isError(value)) {
        if (this.#mayEnter(value)) errorProps[key] = this.record(value);
        continue;
      }
      const copy = this.#plain(value);
      if (copy !== LEFT_OUT) props[key] = copy;
    }
    return {
      ...optional("props", isFilled(props) ? props : undefined),
      ...optional("errorProps", isFilled(errorProps) ? errorProps : undefined),
    };
  }

  #nested(value: unknown): ErrorRecordNested | undefined {
    if (value === undefined) return undefined;
    if (isError(value)) return this.#mayEnter(value) ? { error: this.record(value) } : undefined;
    const copy = this.#plain(value);
    return { value: copy === LEFT_OUT ? describe(value) : copy };
  }

  #errors(error: object): readonly ErrorRecordNested[] | undefined {
    const errors = read(error, "errors");
    if (typeOf(error) !== "AggregateError" || !Array.isArray(errors)) return undefined;
    return errors
      .slice(0, MAX_NODES)
      .map((inner) => this.#nested(inner))
      .filter((inner) => inner !== undefined);
  }

  /** A copy of a plain value, so that nothing of the caller's runs later. */
  #plain(value: unknown): unknown {
    if (typeof value === "function" || typeof value === "symbol") return LEFT_OUT;
    if (typeof value === "string") return value.length > MAX_TEXT_CHARS ? LEFT_OUT : value;
    if (typeof value !== "object" || value === null) return value;
    if (!this.#mayEnter(value)) return LEFT_OUT;
    this.#nodes++;
    this.#ancestors.push(value);
    try {
      return this.#plainObject(value);
    } catch {
      return LEFT_OUT;
    } finally {
      this.#ancestors.pop();
    }
  }

  #plainObject(value: object): unknown {
    const kind = kindOf(value);
    if (kind === "error" || kind === "other") return LEFT_OUT;
    if (kind === "array") return this.#plainArray(value as readonly unknown[]);
    if (kind !== "object") return value;
    const copy: Record<string, unknown> = {};
    const entries = Object.entries(value);
    if ((this.#nodes += entries.length) > MAX_NODES) return LEFT_OUT;
    for (const [key, item] of entries) {
      const inner = this.#plain(item);
      if (inner === LEFT_OUT) return LEFT_OUT;
      define(copy, key, inner, true);
    }
    return copy;
  }

  #plainArray(array: readonly unknown[]): unknown {
    if ((this.#nodes += array.length) > MAX_NODES) return LEFT_OUT;
    const copy: unknown[] = [];
    for (const item of array) {
      const inner = this.#plain(item);
      if (inner === LEFT_OUT) return LEFT_OUT;
      copy.push(inner);
    }
    return copy;
  }

  #mayEnter(value: object): boolean {
    return (
      this.#ancestors.length < MAX_DEPTH &&
      this.#nodes < MAX_NODES &&
      !this.#ancestors.includes(value)
    );
  }
}

function build(record: unknown, depth: number): Error {
  if (!isRecord(record) || depth > MAX_DEPTH * 2) {
    return withStack(new Error("an error whose record is damaged"), undefined);
  }
  const message = textOf(record["message"]) ?? "";
  const error = instanceFor(record, message, depth);
  const name = textOf(record["name"]) ?? "Error";
  if (error.name !== name) define(error, "name", name, false);
  withStack(error, textOf(record["stack"]));
  if (isRecord(record["cause"])) define(error, "cause", buildNested(record["cause"], depth), false);
  for (const [key, value] of entriesOf(record["props"])) defineProp(error, key, value);
  for (const [key, value] of entriesOf(record["errorProps"])) {
    defineProp(error, key, build(value, depth + 1));
  }
  return error;
}

/** Never this side's own stack, which would be the decoder's. */
function withStack(error: Error, stack: string | undefined): Error {
  define(error, "stack", stack ?? `${error.name}: ${error.message}`, false);
  return error;
}

function instanceFor(record: Record<string, unknown>, message: string, depth: number): Error {
  const { type, code, details, errors } = record;
  const ours = errorFromCode(code, message, { details: isRecord(details) ? details : {} });
  if (ours !== undefined) return ours;
  if (type === "AggregateError") return new AggregateError(buildErrors(errors, depth), message);
  return new (classOf(type))(message);
}

function buildErrors(errors: unknown, depth: number): unknown[] {
  return Array.isArray(errors) ? errors.map((nested) => buildNested(nested, depth)) : [];
}

function buildNested(nested: unknown, depth: number): unknown {
  if (!isRecord(nested)) return undefined;
  return Object.hasOwn(nested, "error") ? build(nested["error"], depth + 1) : nested["value"];
}

function classOf(type: unknown): new (message: string) => Error {
  return (typeof type === "string" ? CLASSES[type] : undefined) ?? Error;
}

function defineProp(error: Error, key: string, value: unknown): void {
  if (NOT_PROPS.has(key)) return;
  if (BanyanError.is(error) && (key === "code" || key === "details")) return;
  define(error, key, value, true);
}

function define(target: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true });
}

/** The nearest built-in class, by the prototypes' names so that it holds for another realm's too. */
function typeOf(error: object): string {
  try {
    let prototype: unknown = Object.getPrototypeOf(error);
    for (let i = 0; i < MAX_DEPTH && typeof prototype === "object" && prototype !== null; i++) {
      const maker = read(prototype, "constructor");
      const name = typeof maker === "function" ? maker.name : "";
      if (name === "AggregateError" || name in CLASSES) return name;
      prototype = Object.getPrototypeOf(prototype);
    }
  } catch {
    return "Error";
  }
  return "Error";
}

function isError(value: unknown): value is object {
  try {
    return typeof value === "object" && value !== null && kindOf(value) === "error";
  } catch {
    return false;
  }
}

function read(target: object, key: string, otherwise?: unknown): unknown {
  try {
    return (target as Record<string, unknown>)[key];
  } catch {
    return otherwise;
  }
}

function keysOf(target: object): string[] {
  try {
    return Object.keys(target);
  } catch {
    return [];
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  return isRecord(value) ? Object.entries(value) : [];
}

function textOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  return value.length > MAX_TEXT_CHARS ? `${value.slice(0, MAX_TEXT_CHARS)}...` : value;
}

function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]?: Value });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isFilled(value: unknown): value is object {
  return isRecord(value) && Object.keys(value).length > 0;
}

function describe(value: unknown): string {
  try {
    return String(value).slice(0, 4096);
  } catch {
    return "a value that can't be shown";
  }
}
