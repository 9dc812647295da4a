import { Path } from "./path.ts";

/** How an object crosses by value; `other` does not. */
export type ObjectKind =
  | "array"
  | "object"
  | "path"
  | "error"
  | "date"
  | "view"
  | "buffer"
  | "other";

/**
 * What an object is, also if it is from another realm (a vm context). An instance of a class is
 * `other`, but for errors and views, whose subclasses cross as what they extend.
 */
export function kindOf(value: object): ObjectKind {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return "object";
  if (Array.isArray(value)) {
    if (prototype === Array.prototype || isForeignArrayPrototype(prototype)) return "array";
    return value instanceof Path ? "path" : "other";
  }
  if (ArrayBuffer.isView(value)) return "view";
  return kindOfInstance(value, prototype as object);
}

function kindOfInstance(value: object, prototype: object): ObjectKind {
  const tag = Object.prototype.toString.call(value);
  if (value instanceof Error || tag === "[object Error]") return "error";
  if (isForeignObjectPrototype(prototype)) return "object";
  // Just below Object.prototype: not a subclass.
  if (!isForeignObjectPrototype(Object.getPrototypeOf(prototype))) return "other";
  if (tag === "[object Date]" && isDate(value)) return "date";
  return tag === "[object ArrayBuffer]" && isArrayBuffer(value) ? "buffer" : "other";
}

/** The root of some realm's prototypes, this one's included. */
function isForeignObjectPrototype(prototype: unknown): boolean {
  return (
    typeof prototype === "object" &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, "isPrototypeOf")
  );
}

/** Each realm's Array.prototype is itself an array. */
function isForeignArrayPrototype(prototype: unknown): boolean {
  return Array.isArray(prototype) && isForeignObjectPrototype(Object.getPrototypeOf(prototype));
}

/** Objects that only say so have no such slot, and the method throws. */
function isDate(value: object): boolean {
  try {
    Date.prototype.getTime.call(value as Date);
    return true;
  } catch {
    return false;
  }
}

function isArrayBuffer(value: object): boolean {
  try {
    Reflect.get(ArrayBuffer.prototype, "byteLength", value);
    return true;
  } catch {
    return false;
  }
}
