import { kindOf } from "../wire/kind.ts";
import type { Caller } from "./call.ts";
import { Imported } from "./imports.ts";
import { sourceOf } from "./streams.ts";
import { stubOf } from "./stub-handle.ts";

/** What this needs of Node, where there is one. */
interface Host {
  readonly process?: { readonly getBuiltinModule?: (name: string) => unknown };
}

interface Storage {
  run<T>(scope: ReferenceScope, body: () => T): T;
  getStore(): ReferenceScope | undefined;
}

/** The references that the calls of one piece of work brought. */
export class ReferenceScope {
  readonly caller: Caller;
  readonly outer: ReferenceScope | undefined;
  #imported: Imported[] | undefined = [];

  constructor(caller: Caller, outer: ReferenceScope | undefined) {
    this.caller = caller;
    this.outer = outer;
  }

  /** One that was not here before. */
  add(imported: Imported): void {
    this.#imported?.push(imported);
  }

  /** Gives all back but those in `kept`, which belong to what is around the scope. */
  end(kept: ReadonlySet<Imported>): void {
    const all = this.#imported ?? [];
    this.#imported = undefined;
    for (const imported of all) {
      if (kept.has(imported)) this.outer?.add(imported);
      else this.caller.release(imported);
    }
  }
}

let storage: Storage | undefined;
/** Where there is no storage: the scope that was begun last is the one of every call. */
let begun: readonly ReferenceScope[] = [];

/** The scope that a call of this session's is made in: in Node kept over every `await`. */
export function scopeOf(caller: Caller): ReferenceScope | undefined {
  let scope = storage === undefined ? begun.at(-1) : storage.getStore();
  while (scope !== undefined && scope.caller !== caller) scope = scope.outer;
  return scope;
}

/** See `Session.scope`. */
export async function runScope<T>(caller: Caller, body: () => T | Promise<T>): Promise<T> {
  storage ??= createStorage();
  const outer = storage === undefined ? begun.at(-1) : storage.getStore();
  const scope = new ReferenceScope(caller, outer);
  const kept = new Set<Imported>();
  begun = [...begun, scope];
  try {
    const result = await (storage === undefined ? body() : storage.run(scope, body));
    collectReferences(result, kept);
    return result;
  } finally {
    begun = begun.filter((other) => other !== scope);
    scope.end(kept);
  }
}

/** The references in a value and in the plain data it is made of. */
function collectReferences(value: unknown, into: Set<Imported>): void {
  const seen = new Set<unknown>([value]);
  for (const item of seen) {
    const source = typeof item === "object" && item !== null ? sourceOf(item) : undefined;
    const stub = stubOf(source ?? item);
    if (stub === undefined) {
      for (const inner of containedIn(item)) seen.add(inner);
    } else if (stub.target instanceof Imported) {
      into.add(stub.target);
    }
  }
}

function containedIn(value: unknown): Iterable<unknown> {
  if (typeof value !== "object" || value === null) return [];
  if (value instanceof Map) return value as ReadonlyMap<unknown, unknown>;
  if (value instanceof Set) return value as ReadonlySet<unknown>;
  const kind = kindOf(value);
  return kind === "object" || kind === "array" ? Object.values(value) : [];
}

function createStorage(): Storage | undefined {
  const hooks = (globalThis as Host).process?.getBuiltinModule?.("node:async_hooks") as
    | { readonly AsyncLocalStorage: new () => Storage }
    | undefined;
  return hooks === undefined ? undefined : new hooks.AsyncLocalStorage();
}
