import { List } from "../list.ts";
import { Attribute } from "../reflect.ts";

/** What may be asked of a property that was told, once each. */
const Use = { descriptor: 1, value: 2, has: 4 } as const;
type Use = keyof typeof Use;

interface Told {
  readonly descriptor: PropertyDescriptor | undefined;
  used: number;
}

/**
 * The properties of a thing as they came in one answer. Each is good for one reading of its
 * descriptor, one of its value and one of whether it is there, until something may have changed or the
 * job is over: what lists or copies a thing asks for each part once. Whoever looks again gets what is
 * there then.
 */
export class ToldProperties {
  readonly #told = new Map<string | symbol, Told>();
  readonly isExtensible: boolean;
  readonly keys: readonly (string | symbol)[];

  /** Of the answer to `Reflection.keys`. */
  constructor(answer: unknown) {
    const [isExtensible, ...parts] = answer instanceof List ? answer.values : [];
    this.isExtensible = isExtensible === true;
    const keys: (string | symbol)[] = [];
    for (let i = 0; i + 1 < parts.length; i += 2) {
      const key = parts[i];
      if ((typeof key !== "string" && typeof key !== "symbol") || this.#told.has(key)) continue;
      keys.push(key);
      this.#told.set(key, { descriptor: toDescriptor(parts[i + 1]), used: 0 });
    }
    this.keys = keys;
  }

  /** `undefined` where it was not told, or was asked for before. */
  take(key: string | symbol, use: Use): PropertyDescriptor | undefined {
    const told = this.#told.get(key);
    if (told?.descriptor === undefined || (told.used & Use[use]) !== 0) return undefined;
    if (use === "value" && !("value" in told.descriptor)) return undefined;
    told.used |= Use[use];
    return told.descriptor;
  }

  /** Whatever was asked for before. */
  descriptorOf(key: string | symbol): PropertyDescriptor | undefined {
    return this.#told.get(key)?.descriptor;
  }
}

/** What `describe` made at the other side. `undefined` for what was not told. */
export function toDescriptor(answer: unknown): PropertyDescriptor | undefined {
  if (!(answer instanceof List)) return undefined;
  const [attributes, first, second] = answer.values;
  if (typeof attributes !== "number" || attributes === Attribute.untold) return undefined;
  const shared = {
    enumerable: (attributes & Attribute.enumerable) !== 0,
    configurable: (attributes & Attribute.configurable) !== 0,
  };
  if ((attributes & Attribute.accessor) === 0) {
    return { ...shared, value: first, writable: (attributes & Attribute.writable) !== 0 };
  }
  const halves = { get: asFunction(first), set: asFunction(second) };
  return Object.assign(shared, halves) as PropertyDescriptor;
}

/** Of an accessor either half may be missing. */
function asFunction(value: unknown): unknown {
  if (value === undefined || typeof value === "function") return value;
  throw new TypeError("the other side told of an accessor that is no function");
}
