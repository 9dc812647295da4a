import { intrinsicName, intrinsicNamed } from "./intrinsics.ts";

/** What a side with stubs knows of the class of what it refers to. One object for one type of a session. */
export class RemoteType {
  readonly name: string;
  readonly #tag: string;
  readonly #parent: RemoteType | undefined;
  /** Of what every engine has: this engine's own prototype. */
  readonly prototype: object | undefined;
  #standIn: object | undefined;

  private constructor(
    name: string,
    tag: string,
    above: { readonly parent?: RemoteType | undefined; readonly prototype?: object | undefined },
  ) {
    this.name = name;
    this.#tag = tag;
    this.#parent = above.parent;
    this.prototype = above.prototype;
  }

  /** A class of the peer's. `parent` is not there where it is not known. */
  static told(name: string, tag: string, parent: RemoteType | undefined): RemoteType {
    return new RemoteType(name, tag, { parent });
  }

  /** What inherits from this prototype of the engine's. `undefined` where this engine has none. */
  static intrinsic(name: string): RemoteType | undefined {
    const prototype = intrinsicNamed(name);
    if (prototype === undefined) return undefined;
    const maker: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
    const tag: unknown = Object.getOwnPropertyDescriptor(prototype, Symbol.toStringTag)?.value;
    return new RemoteType(
      typeof maker === "function" ? maker.name : "",
      typeof tag === "string" ? tag : "",
      { prototype },
    );
  }

  /** What `Object.prototype.toString` says of it, where it says anything of its own. */
  get tag(): string | undefined {
    if (this.#tag !== "") return this.#tag;
    return this.#parent?.tag;
  }

  /** Whether this is `other`, or extends it. `undefined` where that is not known here. */
  extends(other: RemoteType): boolean | undefined {
    for (const type of this.#line()) {
      if (type === other) return true;
      if (type.prototype !== undefined) return false;
    }
    return undefined;
  }

  /** Whether it extends a class that every engine has, given as this engine's. */
  extendsIntrinsic(Class: unknown): boolean | undefined {
    if (typeof Class !== "function" || intrinsicName(Class) === undefined) return undefined;
    const wanted = (Class as { prototype?: object }).prototype;
    const end = [...this.#line()].at(-1)?.prototype;
    if (end === undefined || wanted === undefined) return undefined;
    return end === wanted || Object.prototype.isPrototypeOf.call(wanted, end);
  }

  /** The type and what it extends, as far as that is known. */
  *#line(): Iterable<RemoteType> {
    yield this;
    for (let next = this.#parent; next !== undefined; next = next.#parent) yield next;
  }

  /**
   * What a stub has as its `constructor`: of a class of the peer's something with its name, which
   * makes nothing. `decide` says of any value whether it is an instance.
   */
  standIn(decide: (value: unknown) => boolean): object {
    if (this.prototype !== undefined) {
      return Object.getOwnPropertyDescriptor(this.prototype, "constructor")?.value as object;
    }
    if (this.#standIn !== undefined) return this.#standIn;
    const { name } = this;
    const standIn = function remoteClass(): never {
      throw new TypeError(`the class ${name} lives on the other side; ask for it by name`);
    };
    Object.defineProperties(standIn, {
      name: { value: name },
      [Symbol.hasInstance]: { value: decide },
    });
    this.#standIn = Object.freeze(standIn);
    return standIn;
  }
}

/** Of references that say no more than this. Looked up when there is one: nothing runs on import. */
export const plainTypes: {
  readonly object: RemoteType | undefined;
  readonly array: RemoteType | undefined;
  readonly function: RemoteType | undefined;
} = {
  get object() {
    return plain("Object.prototype");
  },
  get array() {
    return plain("Array.prototype");
  },
  get function() {
    return plain("Function.prototype");
  },
};

const plainByName = new Map<string, RemoteType | undefined>();

function plain(name: string): RemoteType | undefined {
  let type = plainByName.get(name);
  if (type === undefined) {
    type = RemoteType.intrinsic(name);
    plainByName.set(name, type);
  }
  return type;
}
