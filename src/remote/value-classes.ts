/**
 * A class whose instances cross as copies. Both sides have to name it: where only one does, they cross
 * by reference as others do.
 */
export interface ValueClass<T extends object = object, Data = unknown> {
  /** What the class is called between the two sides. */
  readonly name: string;
  /** Instances of exactly this class, not of what extends it. */
  readonly class: abstract new (...args: never[]) => T;
  /** What the instance is made of, as a value that crosses. */
  readonly pack: (instance: T) => Data;
  /** Makes an instance of what `pack` made. It may come from anybody: what is wrong with it ends the session. */
  readonly unpack: (data: Data) => T;
}

/** Names a class whose instances cross as copies; for `valueClasses`. */
export function valueClass<T extends object, Data>(given: ValueClass<T, Data>): ValueClass {
  const { name, class: Class, pack, unpack } = given;
  // Only instances of the class, and what was packed, are given to these.
  return {
    name,
    class: Class,
    pack: (instance) => pack(instance as T),
    unpack: (data) => unpack(data as Data),
  };
}

/** Those that both sides know. */
export class ValueClasses {
  readonly #byPrototype = new Map<unknown, ValueClass>();
  readonly #byName = new Map<string, ValueClass>();

  constructor(own: readonly ValueClass[], peers: readonly string[]) {
    const known = new Set(peers);
    for (const one of own) {
      this.#byName.set(one.name, one);
      if (known.has(one.name)) this.#byPrototype.set(one.class.prototype, one);
    }
  }

  /** How this object crosses, if it is of such a class. */
  of(value: object): ValueClass | undefined {
    if (this.#byPrototype.size === 0) return undefined;
    return this.#byPrototype.get(Object.getPrototypeOf(value));
  }

  named(name: string): ValueClass | undefined {
    return this.#byName.get(name);
  }
}
