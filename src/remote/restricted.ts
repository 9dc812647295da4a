/** What is reached instead of an object that `restricted` was given. */
export class Restricted {
  readonly #names: ReadonlySet<string>;

  constructor(names: Iterable<string>) {
    this.#names = new Set(names);
  }

  /** Which members there are; `undefined` for anything that is not restricted. Static: it has no others. */
  static namesOf(value: unknown): ReadonlySet<string> | undefined {
    return typeof value === "object" && value !== null && #names in value
      ? value.#names
      : undefined;
  }
}

/**
 * What to offer or pass instead of `object`, so that the other side gets at these members of it and at
 * nothing else, whatever the policy of the session: they are read, and called, under their names, and
 * those in `writable` set as well. They work on `object` itself, with its own fields and its present
 * values; what a method returns is not restricted with it.
 *
 * @throws TypeError for a name that no object gives away
 */
export function restricted<T extends object, Name extends keyof T & string>(
  object: T,
  names: readonly Name[],
  writable: readonly Name[] = [],
): Pick<T, Name> {
  for (const name of [...names, ...writable]) {
    if (name === "constructor" || name === "__proto__" || name === "prototype") {
      throw new TypeError(`${name} is never reachable from outside`);
    }
  }
  const members: PropertyDescriptorMap = {};
  for (const name of new Set([...names, ...writable])) {
    members[name] = accessor(object, name, {
      readable: names.includes(name),
      writable: writable.includes(name),
    });
  }
  // On a prototype of its own, where the policies look for what an instance of a class offers.
  const facade = new Restricted(Object.keys(members));
  Object.setPrototypeOf(facade, Object.freeze(Object.create(Restricted.prototype, members)));
  return Object.freeze(facade) as unknown as Pick<T, Name>;
}

/** The methods stand for themselves each time they are read, and don't mind what they are called on. */
function accessor<T extends object>(
  object: T,
  name: keyof T,
  { readable, writable }: { readonly readable: boolean; readonly writable: boolean },
): PropertyDescriptor {
  const bound = new WeakMap<object, unknown>();
  const get = (): unknown => {
    const value: unknown = object[name];
    if (typeof value !== "function") return value;
    let method = bound.get(value);
    if (method === undefined) {
      method = (...args: unknown[]): unknown => Reflect.apply(value, object, args);
      bound.set(value, method);
    }
    return method;
  };
  return {
    enumerable: true,
    ...(readable ? { get } : {}),
    ...(writable ? { set: (value: unknown) => void Reflect.set(object, name, value) } : {}),
  };
}
