import { CodeError } from "../base/errors.ts";
import type { AsyncMode, KeyedUnit, Unit } from "./unit.ts";

/** Values by the names that the code uses for them. */
export type NamedValues = Readonly<Record<string, unknown>>;

type AnyFunction = (...values: readonly unknown[]) => unknown;

/** Makes the function of a body whose further parameters are `extras`. */
export type MakeFunction = (extras: readonly string[]) => AnyFunction;

/** One version of a procedure, ready to be called. */
export interface Procedure {
  readonly name: string;
  readonly key: string;
  readonly isAsync: AsyncMode;
  readonly vars: readonly string[];

  /**
   * Binds the values to the vars, in order; surplus ones are `_args`.
   *
   * @throws CodeError `CODE_ARGUMENTS` for a missing one, before anything of the code runs
   */
  call(values: readonly unknown[]): unknown;

  /**
   * Binds values to the vars by name. A body sees all other names of `named` and `job` as variables;
   * a module-form procedure gets `named` as its first argument and `job` as its second.
   *
   * @throws CodeError `CODE_ARGUMENTS`, as `call`
   */
  run(named: NamedValues, job?: NamedValues): unknown;
}

const NOTHING: NamedValues = Object.freeze({});
/** Above this many, the functions made for sets of extra names are made anew. */
const MAX_SHAPES = 64;
/** Names that fit into the bits of a small integer. */
const MASK_BITS = 30;

/** A procedure whose text is the body of a function. */
export class BodyProcedure implements Procedure {
  readonly name: string;
  readonly key: string;
  readonly isAsync: AsyncMode;
  readonly vars: readonly string[];
  readonly #unit: Unit;
  /** Names that the body mentions and that a caller may give. */
  readonly #free: readonly string[];
  readonly #wantsArgs: boolean;
  readonly #make: MakeFunction;
  /** One function for each set of extra names: to the body, what was not given does not exist. */
  readonly #shapes = new Map<number | string, AnyFunction>();
  /** The one without any, made with the first call. */
  #plain: AnyFunction | undefined;

  constructor({ unit, key }: KeyedUnit, make: MakeFunction) {
    this.name = unit.name;
    this.key = key;
    this.isAsync = unit.isAsync;
    this.vars = unit.vars;
    this.#unit = unit;
    this.#wantsArgs = unit.free.includes("_args");
    this.#free = unit.free.filter((name) => name !== "_args" && !unit.vars.includes(name));
    this.#make = make;
  }

  call(values: readonly unknown[]): unknown {
    if (values.length === this.vars.length && !this.#wantsArgs) {
      this.#plain ??= this.#make([]);
      const plain = this.#plain;
      // Not called as a member: the code must not get at us as its `this`.
      return plain(...values);
    }
    const { named, surplus } = bindInOrder(this.vars, values);
    return this.#run(named, NOTHING, surplus);
  }

  run(named: NamedValues, job: NamedValues = NOTHING): unknown {
    return this.#run(named, job, named["_args"] ?? job["_args"] ?? []);
  }

  #run(named: NamedValues, job: NamedValues, surplus: unknown): unknown {
    // Plain loops: this is what a call costs.
    const values: unknown[] = [];
    for (const name of this.vars) values.push(valueOf(this.#unit, name, named));
    let mask = 0;
    let rest = "";
    for (let index = 0; index < this.#free.length; index++) {
      const name = this.#free[index] as string;
      const source = Object.hasOwn(job, name) ? job : named;
      if (source === named && !Object.hasOwn(named, name)) continue;
      values.push(source[name]);
      if (index < MASK_BITS) mask |= 1 << index;
      else rest += ` ${index}`;
    }
    if (this.#wantsArgs) values.push(surplus);
    return this.#shape(mask, rest)(...values);
  }

  #shape(mask: number, rest: string): AnyFunction {
    const id = rest === "" ? mask : `${mask}${rest}`;
    const known = this.#shapes.get(id);
    if (known !== undefined) return known;
    const given = new Set(rest.split(" "));
    const extras = this.#free.filter((_, index) =>
      index < MASK_BITS ? (mask & (1 << index)) !== 0 : given.has(`${index}`),
    );
    const made = this.#make(this.#wantsArgs ? [...extras, "_args"] : extras);
    if (this.#shapes.size >= MAX_SHAPES) this.#shapes.clear();
    this.#shapes.set(id, made);
    return made;
  }
}

/** A procedure whose text is a module that exports one function of `(vars, job)`. */
export class ModuleProcedure implements Procedure {
  readonly name: string;
  readonly key: string;
  readonly isAsync: AsyncMode;
  readonly vars: readonly string[];
  readonly #unit: Unit;
  readonly #main: AnyFunction;

  constructor({ unit, key }: KeyedUnit, main: AnyFunction) {
    this.name = unit.name;
    this.key = key;
    this.isAsync = unit.isAsync;
    this.vars = unit.vars;
    this.#unit = unit;
    this.#main = main;
  }

  call(values: readonly unknown[]): unknown {
    const { named, surplus } = bindInOrder(this.vars, values);
    return this.run(surplus.length === 0 ? named : { ...named, _args: surplus });
  }

  run(named: NamedValues, job: NamedValues = NOTHING): unknown {
    const bound = this.vars.map((name) => [name, valueOf(this.#unit, name, named)] as const);
    const values = { ...named, ...Object.fromEntries(bound) };
    const main = this.#main;
    if (this.isAsync !== true) return main(values, job);
    return (async () => main(values, job))();
  }
}

function bindInOrder(
  vars: readonly string[],
  values: readonly unknown[],
): { named: NamedValues; surplus: readonly unknown[] } {
  const given = vars.slice(0, values.length);
  const named = Object.fromEntries(given.map((name, index) => [name, values[index]]));
  return { named, surplus: values.slice(vars.length) };
}

function valueOf({ name: path, vars, defaults }: Unit, name: string, named: NamedValues): unknown {
  if (Object.hasOwn(named, name)) return named[name];
  // A copy: what one call does to its value must not be seen by the next.
  if (Object.hasOwn(defaults, name)) return structuredClone(defaults[name]);
  throw new CodeError("CODE_ARGUMENTS", `${path}: missing variable "${name}"`, {
    details: { kind: "proc", path, variable: name, vars },
  });
}
