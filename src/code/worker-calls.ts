import { type AbortOptions, abortable, onAbort } from "../base/abort.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { CodeError, ExecutorError } from "../base/errors.ts";
import type { Execution, Executor, RunCode, RunEnd, RunRequest } from "../executor/executor.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Path } from "../wire/path.ts";
import { decodeValue, encodeValue } from "../wire/value.ts";
import type { CodeLibrary } from "./library.ts";
import type { NamedValues, Procedure } from "./procedure.ts";
import { type Shipment, unitId } from "./unit.ts";

/** How much calls in workers may take. */
export interface WorkerOptions {
  /** Calls at once; more wait. Default: one and a half for each processor, at least 4. */
  readonly maxThreads?: number | undefined;
  /** A thread that has nothing to do for so many milliseconds ends. Default 10,000. */
  readonly idleMs?: number | undefined;
  /** What one call may hold, in MB. Default: 512, and no more than a quarter of the machine's. */
  readonly memoryMb?: number | undefined;
}

/** Opens what calls run in. */
export type OpenWorkers = (options: WorkerOptions) => Executor;

export interface CallOptions extends AbortOptions {
  /** Ends the call, and with it the code, whatever that does. Only for calls in a worker. */
  readonly signal?: AbortSignal | undefined;
}

/** How long calls may take to end by themselves when their root is closed. */
const CLOSE_GRACE_MS = 5_000;

/** The calls of a root whose procedures are stored to run in a worker. */
export class WorkerCalls {
  readonly #open: () => Executor;
  readonly #clock: Clock;
  /** By the text of the path: the version that was called last. */
  readonly #procedures = new Map<string, WorkerProcedure>();
  readonly #running = new Set<Execution>();
  #executor: Executor | undefined;
  #closing: Promise<void> | undefined;
  #lastId = 0;

  constructor(open: () => Executor, clock: Clock = systemClock) {
    this.#open = open;
    this.#clock = clock;
  }

  /** @throws CodeError what is wrong with it */
  procedure(library: CodeLibrary, path: Path): WorkerProcedure {
    const name = formatPath(path);
    const known = this.#procedures.get(name);
    if (known !== undefined && known.key === library.keyOf(path)) return known;
    const made = new WorkerProcedure(library.shipment(path), name, this);
    if (this.#procedures.size >= MAX_PROCEDURES) this.#procedures.clear();
    this.#procedures.set(name, made);
    return made;
  }

  /** For procedures. */
  async call(request: Omit<RunRequest, "id">, { signal }: CallOptions): Promise<unknown> {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw closed();
    this.#executor ??= this.#open();
    const execution = this.#executor.start({ ...request, id: `call ${++this.#lastId}` });
    this.#running.add(execution);
    void execution.ended.then(() => this.#running.delete(execution));
    using _ = signal && onAbort(signal, () => execution.kill());
    return resultOf(await abortable(execution.ended, signal));
  }

  /** Lets calls that run end by themselves, and ends those that don't. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const late = deferred<void>();
    const grace = this.#clock.after(CLOSE_GRACE_MS, late.resolve);
    const ended = Promise.all([...this.#running].map((execution) => execution.ended));
    await Promise.race([ended, late.promise]);
    grace[Symbol.dispose]();
    await this.#executor?.close();
    this.#procedures.clear();
  }
}

const MAX_PROCEDURES = 1_000;

/** How the values of a call are bound. */
type Binding = "positional" | "named";

/** A version of a procedure, called in a worker. */
export class WorkerProcedure implements Procedure {
  readonly name: string;
  readonly key: string;
  readonly isAsync = false;
  readonly vars: readonly string[];
  readonly #shipment: Shipment;
  readonly #calls: WorkerCalls;

  constructor(shipment: Shipment, name: string, calls: WorkerCalls) {
    const main = shipment.units.find(({ unit }) => unitId(unit.kind, unit.name) === shipment.id);
    this.name = name;
    this.key = shipment.key;
    this.vars = main?.unit.vars ?? [];
    this.#shipment = shipment;
    this.#calls = calls;
  }

  call(values: readonly unknown[]): Promise<unknown> {
    return this.#call("positional", values, {});
  }

  run(named: NamedValues): Promise<unknown> {
    return this.#call("named", named, {});
  }

  runWith(named: NamedValues, options: CallOptions): Promise<unknown> {
    return this.#call("named", named, options);
  }

  async #call(binding: Binding, given: unknown, options: CallOptions): Promise<unknown> {
    const request = { name: this.name, code: this.#shipment };
    const bytes = encodeIfPlain(given);
    return this.#calls.call(
      bytes === undefined
        ? { ...request, values: { binding }, host: { given } }
        : { ...request, values: { binding, given: bytes }, host: {} },
      options,
    );
  }
}

/** How a call is made on the other side. `open` links what was shipped. */
export function runCall(
  open: (shipment: Shipment) => Promise<{ readonly procedure: Procedure }>,
): RunCode {
  return async ({ code, values, host }) => {
    const { procedure } = await open(code as Shipment);
    const { binding, given: bytes } = values as { binding: Binding; given?: Uint8Array };
    const given = bytes === undefined ? host["given"] : decodeValue(bytes);
    return binding === "positional"
      ? procedure.call(given as readonly unknown[])
      : procedure.run(given as NamedValues);
  };
}

/** Whether a request is one of those that `WorkerCalls` makes. */
export function isCall(values: Readonly<Record<string, unknown>>): boolean {
  return "binding" in values;
}

export function onlyInWorkers({ name }: Procedure): CodeError {
  const message = `a call of ${name} can't be ended by a signal: only one in a worker (is_async: false)`;
  return new CodeError("CODE_MODE", message, { details: { kind: "proc", path: name } });
}

/** `undefined` where something of it can only be referred to. */
function encodeIfPlain(value: unknown): Uint8Array | undefined {
  try {
    return encodeValue(value);
  } catch {
    return undefined;
  }
}

function resultOf(end: RunEnd): unknown {
  if (end.type === "returned") return end.value;
  // Whoever cancelled it by a signal has that one's reason.
  if (end.type === "cancelled") throw closed();
  throw end.type === "stalled" ? new ExecutorError("EXECUTOR_STALLED") : end.error;
}

function closed(): ExecutorError {
  return new ExecutorError("EXECUTOR_CLOSED", "the code root is closed");
}
