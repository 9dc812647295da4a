/** What a peer may use of an object, or of the instances of a class, and how it gets it. */
export interface Exposure {
  /** Own fields that may be read, besides the methods and accessors of the class. */
  readonly fields?: readonly string[] | undefined;
  /** Own fields that may be read and set. */
  readonly writable?: readonly string[] | undefined;
  /** Where given, the only methods and accessors of the class that may be used. */
  readonly members?: readonly string[] | undefined;
  /** How plain objects and arrays cross that peers get from it, whatever the session says. */
  readonly plain?: "copy" | undefined;
}

interface Rules {
  readonly readable: ReadonlySet<string | symbol>;
  readonly writable: ReadonlySet<string | symbol>;
  readonly members: ReadonlySet<string | symbol> | undefined;
  readonly copies: boolean;
}

const rules = new WeakMap<object, Rules>();
let any = false;

/**
 * Says what peers may use of the instances of a class, and of classes that extend it, or of this one
 * object, in every session with the capability policy: by default the methods and accessors of its
 * class, and no own fields. With `plain: "copy"` what they get of it in any session is copied where it
 * is plain data, as with a session's own `plain`. Later rules replace earlier ones. Returns what it was given.
 */
export function expose<T extends object>(given: T, exposure: Exposure): T {
  const { fields = [], writable = [], members, plain } = exposure;
  const holder: unknown =
    typeof given === "function" ? (given as { prototype?: unknown }).prototype : given;
  if (typeof holder !== "object" || holder === null) {
    throw new TypeError("only objects and classes can be exposed");
  }
  rules.set(holder, {
    readable: new Set([...fields, ...writable]),
    writable: new Set(writable),
    members: members === undefined ? undefined : new Set(members),
    copies: plain === "copy",
  });
  any = true;
  return given;
}

/** Of the object, or else of the closest of its classes for which there are any. */
export function rulesOf(object: unknown): Rules | undefined {
  if (!any) return undefined;
  let holder: unknown = object;
  while (typeof holder === "object" && holder !== null) {
    const found = rules.get(holder);
    if (found !== undefined) return found;
    holder = Object.getPrototypeOf(holder);
  }
  return undefined;
}

/** Whether `expose` was ever called. */
export function anyRules(): boolean {
  return any;
}
