import { type StubHandle, stubOf } from "../stub-handle.ts";

/** What is known of the thing, without asking. */
interface NamedHandle extends StubHandle {
  readonly typeName?: string;
}

interface InspectOptions {
  readonly depth?: number | null;
}

/** Shows what is in a remote object, by one request for each level. */
export function inspectProxy(
  this: unknown,
  depth: number,
  options: InspectOptions,
  inspect: (value: unknown, options: object) => string,
): string {
  const handle: NamedHandle | undefined = stubOf(this);
  if (handle === undefined) return "Remote";
  const { proxy, typeName = "" } = handle;
  try {
    const label =
      typeof proxy === "function" ? functionLabel(proxy) : `Remote<${className(proxy, typeName)}>`;
    if (depth < 0) return `[${label}]`;
    const inner = { ...options, depth: options.depth === null ? null : (options.depth ?? 2) - 1 };
    const copy = copyOf(proxy);
    if (typeof proxy === "function" && Object.keys(copy).length === 0) return `[${label}]`;
    return `${label} ${inspect(copy, inner)}`;
  } catch (error) {
    return `Remote<${typeName || "?"}> (${error instanceof Error ? error.message : String(error)})`;
  }
}

function className(proxy: object, typeName: string): string {
  if (typeName !== "") return typeName;
  if (Array.isArray(proxy)) return "Array";
  const prototype: unknown = Object.getPrototypeOf(proxy);
  if (prototype === null) return "null";
  const maker: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof maker === "function" ? maker.name : "Object";
}

function functionLabel(proxy: object): string {
  return `Remote function ${String(Object.getOwnPropertyDescriptor(proxy, "name")?.value ?? "")}`.trimEnd();
}

/** The outermost level of it; what is in there shows itself. */
function copyOf(proxy: object): object {
  const prototype: unknown = Object.getPrototypeOf(proxy);
  if (prototype === Map.prototype) return new Map(proxy as Map<unknown, unknown>);
  if (prototype === Set.prototype) return new Set(proxy as Set<unknown>);
  const copy: object = Array.isArray(proxy) ? [] : {};
  for (const key of Reflect.ownKeys(proxy)) {
    const descriptor = Object.getOwnPropertyDescriptor(proxy, key);
    if (descriptor === undefined) continue;
    if (typeof proxy === "function" && descriptor.enumerable !== true) continue;
    Object.defineProperty(copy, key, { ...descriptor, configurable: key !== "length" });
  }
  return copy;
}
