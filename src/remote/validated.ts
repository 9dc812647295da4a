import { RemoteError } from "../base/errors.ts";

/** What went wrong, as the Standard Schema says it. */
interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

type Outcome =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

/** A schema of Zod, Valibot, ArkType or any other library that follows Standard Schema, version 1. */
export interface StandardSchema {
  readonly "~standard": {
    readonly version: 1;
    readonly validate: (value: unknown) => Outcome | Promise<Outcome>;
  };
}

/** What a method takes and gives. */
export interface MethodSchemas {
  /** Of its arguments, as one array. */
  readonly args?: StandardSchema | undefined;
  /** Of what it returns, awaited. */
  readonly result?: StandardSchema | undefined;
}

type Schemas<T> = {
  readonly [Name in keyof T & string]?: MethodSchemas;
};

/**
 * The methods of `object` that are named in `schemas`, each with its arguments and results looked at: to
 * offer instead of an object, or to use instead of a stub of a peer that is not to be believed. A type
 * alone promises nothing about what a peer sends. The schemas may change what passes, as they do
 * elsewhere. Whoever reaches a method by this object can't get around them.
 *
 * @returns a frozen object with these methods and no others
 * @throws TypeError for what is no Standard Schema; the methods: RemoteError `REMOTE_INVALID`, with the
 *   issues in its details
 */
export function validated<T extends object, Name extends keyof T & string>(
  object: T,
  schemas: { readonly [Each in Name]: MethodSchemas } & Schemas<T>,
): Pick<T, Name> {
  const methods: Record<string, unknown> = {};
  for (const [name, given] of Object.entries<MethodSchemas>(schemas)) {
    const args = validateOf(given.args, `${name}'s args`);
    const result = validateOf(given.result, `${name}'s result`);
    methods[name] = (...received: unknown[]): unknown => {
      const checked = checkedBy(args, received, `what ${name} was called with`);
      const returned = next(checked, (values) => {
        if (!Array.isArray(values)) throw new TypeError(`the args of ${name} are no array`);
        return (object as Record<string, (...values: unknown[]) => unknown>)[name]?.(
          ...(values as unknown[]),
        );
      });
      return result === undefined
        ? returned
        : next(returned, (value) => checkedBy(result, value, `the result of ${name}`));
    };
  }
  return Object.freeze(methods) as Pick<T, Name>;
}

type Validate = StandardSchema["~standard"]["validate"];

function validateOf(schema: StandardSchema | undefined, what: string): Validate | undefined {
  if (schema === undefined) return undefined;
  const standard = (schema as Partial<StandardSchema> | null)?.["~standard"];
  if (standard?.version !== 1 || typeof standard.validate !== "function") {
    throw new TypeError(`${what} is no Standard Schema of version 1`);
  }
  return (value) => standard.validate(value);
}

function checkedBy(validate: Validate | undefined, value: unknown, what: string): unknown {
  return validate === undefined
    ? value
    : next(validate(value), (outcome) => accepted(outcome as Outcome, what));
}

function accepted(outcome: Outcome, what: string): unknown {
  if (outcome.issues === undefined) return outcome.value;
  const issues = outcome.issues.map(({ message, path = [] }) => ({
    message,
    path: path.map((step) => String(typeof step === "object" ? step.key : step)).join("."),
  }));
  const first = issues[0];
  const at = first === undefined || first.path === "" ? "" : ` at ${first.path}`;
  const says = `${what} is not as declared${at}: ${first?.message ?? "no reason given"}`;
  throw new RemoteError("REMOTE_INVALID", says, { details: { issues } });
}

/** At once where nothing is to be waited for. */
function next(value: unknown, then: (value: unknown) => unknown): unknown {
  const isThenable =
    typeof value === "object" &&
    value !== null &&
    typeof (value as { then?: unknown }).then === "function";
  return isThenable ? Promise.resolve(value).then(then) : then(value);
}
