type Key = string | symbol;

/** Through so many proxies a value is passed on to what they inherit from. */
const MAX_CHAIN = 256;
let passed = 0;

/** Assigns to what inherits from this, as the language has it. Prototypes may lead back to where they began. */
export function setBehind(prototype: object, key: Key, value: unknown, receiver: unknown): boolean {
  if (passed === MAX_CHAIN) {
    throw new RangeError(`an object inherits from more than ${MAX_CHAIN} that are elsewhere`);
  }
  passed++;
  try {
    return Reflect.set(prototype, key, value, receiver);
  } finally {
    passed--;
  }
}

/** What was told never to change. */
export function frozenProperty(shadow: object, key: Key): PropertyDescriptor | undefined {
  const own = Reflect.getOwnPropertyDescriptor(shadow, key);
  return own?.configurable === false && own.writable === false ? own : undefined;
}

/** The end of an assignment, as the language has it. */
export function setOwn(receiver: unknown, key: Key, value: unknown): boolean {
  if ((typeof receiver !== "object" && typeof receiver !== "function") || receiver === null) {
    return false;
  }
  const own = Reflect.getOwnPropertyDescriptor(receiver, key);
  if (own === undefined) {
    const open = { value, writable: true, enumerable: true, configurable: true };
    return Reflect.defineProperty(receiver, key, open);
  }
  if (!("value" in own) || own.writable === false) return false;
  return Reflect.defineProperty(receiver, key, { value });
}
