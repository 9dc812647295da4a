import { Shape } from "./imports.ts";

/** Whether `new` works is asked without running anything of the function's. */
export function shapeOf(value: object): Shape {
  if (Object.hasOwn(value, "prototype")) return Shape.constructor;
  const name: unknown = Object.getOwnPropertyDescriptor(value, "name")?.value;
  if (typeof name !== "string" || !name.startsWith("bound ")) return Shape.function;
  try {
    Reflect.construct(Object, [], value as () => unknown);
    return Shape.constructor;
  } catch {
    return Shape.function;
  }
}
