import { Shape } from "../imports.ts";

const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** How Node's inspect shows a thing that is elsewhere. */
export type InspectRemote = (
  this: unknown,
  depth: number,
  options: object,
  inspect: (value: unknown, options: object) => string,
) => string;

/**
 * Makes what a proxy is made around: never seen, but what `typeof`, `Array.isArray`, `new` and every
 * promise of the language about frozen things go by. Each proxy needs one of its own, for it must
 * hold what was once said to never change. Node's inspect looks at it, not at the proxy, and finds
 * its function on the prototype.
 */
export function createShadow(shape: Shape, inspect: InspectRemote): object {
  const known = prototypes.get(inspect) ?? createPrototypes(inspect);
  if (shape === Shape.object) return Object.create(known.object) as object;
  if (shape === Shape.array) return Object.setPrototypeOf([], known.array) as object;
  const shadow: object = shape === Shape.constructor ? anything.bind(undefined) : (): void => {};
  Reflect.deleteProperty(shadow, "name");
  Reflect.deleteProperty(shadow, "length");
  return Object.setPrototypeOf(shadow, known.function) as object;
}

interface Prototypes {
  readonly object: object;
  readonly array: object;
  readonly function: object;
}

const prototypes = new Map<InspectRemote, Prototypes>();

function createPrototypes(inspect: InspectRemote): Prototypes {
  const own = { [INSPECT]: { value: inspect } };
  const made = {
    object: Object.create(null, own) as object,
    array: Object.create(Array.prototype, own) as object,
    function: Object.create(Function.prototype, own) as object,
  };
  prototypes.set(inspect, made);
  return made;
}

function anything(): void {}
