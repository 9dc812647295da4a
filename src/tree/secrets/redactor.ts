/** What stands in the place of a secret. */
const HIDDEN = "[secret]";
/** Shorter text is in other words by chance, and who would hide it would hide nothing. */
const MIN_CHARS = 4;
const MAX_DEPTH = 64;

/**
 * Takes secrets out of what is shown: each text of them, as it is and as JSON, a URL, base64 and hex
 * have it, wherever it stands. What was cut into pieces or made into something else is not known again.
 */
export class Redactor {
  readonly #known = new Set<string>();
  #texts: readonly string[] = [];

  /** From now on the texts of this value, and its numbers of some length, are hidden. */
  hide(value: unknown): void {
    for (const text of textsOf(value, MAX_DEPTH)) {
      for (const form of formsOf(text)) if (form.length >= MIN_CHARS) this.#known.add(form);
    }
    // A long one may begin with another.
    this.#texts = [...this.#known].toSorted((a, b) => b.length - a.length);
  }

  /** A copy without them; the thing itself where there is nothing to hide. Errors stay errors. */
  apply<T>(said: T): T {
    if (this.#texts.length === 0) return said;
    return this.#shown(said, new Map()) as T;
  }

  #shown(said: unknown, seen: Map<object, unknown>): unknown {
    if (typeof said === "string") return this.#text(said);
    if (typeof said === "number" || typeof said === "bigint") {
      return this.#known.has(String(said)) ? HIDDEN : said;
    }
    if (typeof said !== "object" || said === null) return said;
    const before = seen.get(said);
    if (before !== undefined) return before;
    return said instanceof Error ? this.#error(said, seen) : this.#copy(said, seen);
  }

  /** Of what is plain; anything else is no data. */
  #copy(said: object, seen: Map<object, unknown>): unknown {
    if (said instanceof Uint8Array) return this.#bytes(said);
    if (Array.isArray(said)) {
      const copy: unknown[] = [];
      seen.set(said, copy);
      for (const item of said as unknown[]) copy.push(this.#shown(item, seen));
      return copy;
    }
    const prototype: unknown = Object.getPrototypeOf(said);
    if (prototype !== null && prototype !== Object.prototype) return said;
    const copy = Object.create(prototype) as Record<string, unknown>;
    seen.set(said, copy);
    this.#fields(said, copy, seen);
    return copy;
  }

  /** In place: its class, its code and what else knows it have to stay. */
  #error(error: Error, seen: Map<object, unknown>): Error {
    if (!Object.isExtensible(error)) return this.#error(thawed(error), seen);
    seen.set(error, error);
    for (const name of ["message", "stack", "cause"]) {
      const own = Object.getOwnPropertyDescriptor(error, name);
      if (own === undefined || !("value" in own)) continue;
      define(error, name, this.#shown(own.value, seen), own.enumerable);
    }
    // Where the engine has it as an accessor, what it gives is looked at all the same.
    const { stack } = error;
    if (typeof stack === "string" && this.#text(stack) !== stack) {
      define(error, "stack", this.#text(stack), false);
    }
    this.#fields(error, error as unknown as Record<string, unknown>, seen);
    return error;
  }

  #fields(from: object, to: Record<string, unknown>, seen: Map<object, unknown>): void {
    for (const [name, value] of Object.entries(from)) {
      const shown = this.#shown(value, seen);
      if (from === to && shown === value) continue;
      define(to, this.#text(name), shown, true);
    }
  }

  #bytes(bytes: Uint8Array): unknown {
    const text = latin1(bytes);
    const isHidden = this.#texts.some((secret) => text.includes(latin1(utf8.encode(secret))));
    return isHidden ? HIDDEN : bytes;
  }

  #text(text: string): string {
    let shown = text;
    for (const secret of this.#texts) shown = shown.replaceAll(secret, HIDDEN);
    return shown;
  }
}

const utf8 = new TextEncoder();

/** Of an error that can't be changed, what people read. */
function thawed(error: Error): Error {
  const copy = new Error(error.message, { cause: error.cause });
  const { name, stack } = error;
  return Object.assign(copy, { name, stack });
}

/** `__proto__` is a name as any other. */
function define(to: object, name: string, value: unknown, enumerable = true): void {
  Reflect.defineProperty(to, name, { value, enumerable, writable: true, configurable: true });
}

function* textsOf(value: unknown, depth: number): Generator<string, void> {
  if (typeof value === "string") yield value;
  else if (typeof value === "number" || typeof value === "bigint") yield String(value);
  else if (value instanceof Uint8Array) yield* bytesAsText(value);
  else if (typeof value === "object" && value !== null && depth > 0) {
    for (const item of Object.values(value)) yield* textsOf(item, depth - 1);
  }
}

function* bytesAsText(bytes: Uint8Array): Generator<string, void> {
  const buffer = Buffer.from(bytes);
  yield buffer.toString("utf8");
  yield buffer.toString("base64");
  yield buffer.toString("hex");
}

/** How a text is found in others. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text, "utf8");
  return [
    text,
    ...text.split(/\r?\n/).map((line) => line.trim()),
    JSON.stringify(text).slice(1, -1),
    uri(text),
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("base64url"),
    bytes.toString("hex"),
  ];
}

function uri(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    // Half a pair of surrogates has no such form.
    return text;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
