import { WireError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import { formatPath } from "./path-format.ts";

/** One step of a path. 1 and 1.0 are one element, -0 is 0; "1", 1 and true are three. */
export type PathElement = string | number | boolean | null | Uint8Array;

/** What callers may write for a path: its text form (`a:2.c`), a `Path`, or its elements. */
export type PathLike = string | readonly PathElement[];

export const PATH_LIMITS = { maxElements: 32, maxEncodedBytes: 1024 } as const;

/**
 * Names an entry of the tree: a frozen array of elements. It is a class of its own so that a path
 * inside a value stays a path when it crosses the wire, where a plain array stays an array.
 */
export class Path extends Array<PathElement> {
  /** The methods of Array give plain arrays. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  private constructor(elements: readonly unknown[], name?: string) {
    super(name === undefined ? elements.length : elements.length + 1);
    if (name === undefined) {
      for (let i = 0; i < elements.length; i++) this[i] = checkElement(elements[i], i);
    } else {
      for (let i = 0; i < elements.length; i++) this[i] = elements[i] as PathElement;
      this[elements.length] = name;
    }
    Object.freeze(this);
  }

  static readonly root: Path = new Path([]);

  /**
   * Checks and copies; a `Path` is returned as it is.
   *
   * @throws WireError `WIRE_BAD_PATH` for what is no array, an element of another type, a number that is
   *   not finite, a string with half a surrogate pair, or more than 32 elements. The limit of 1,024
   *   encoded bytes is checked by `encodePath`.
   */
  static fromElements(elements: readonly PathElement[]): Path {
    if (elements instanceof Path) return elements;
    if (!Array.isArray(elements)) {
      const given = kindOf(elements);
      throw new WireError("WIRE_BAD_PATH", `a path is text or an array of elements, not ${given}`);
    }
    if (elements.length === 0) return Path.root;
    if (elements.length > PATH_LIMITS.maxElements) {
      throw new WireError(
        "WIRE_BAD_PATH",
        `a path has at most ${PATH_LIMITS.maxElements} elements, this one ${elements.length}`,
      );
    }
    return new Path(elements);
  }

  /**
   * The path of `name` below `parent`, where nothing needs to be checked: a parent of at most 31 elements
   * that were, and whole text. For those who read many.
   */
  static below(parent: readonly PathElement[], name: string): Path {
    return new Path(parent, name);
  }

  /** This path with one more element. */
  append(element: PathElement): Path {
    return Path.fromElements([...this, element]);
  }

  /** This path followed by `others`; the same object where there is nothing to add. */
  override concat(...others: (PathElement | ConcatArray<PathElement>)[]): Path {
    const more = others.flatMap((other) =>
      Array.isArray(other) ? (other as readonly PathElement[]) : [other as PathElement],
    );
    return more.length === 0 ? this : Path.fromElements([...this, ...more]);
  }

  /** The text form, which `parsePath` reads: `a:2.c`. */
  override toString(): string {
    return formatPath(this);
  }

  /** The path without its last element; the root's parent is the root. */
  get parent(): Path {
    return this.length === 0 ? this : Path.fromElements(this.slice(0, -1));
  }

  /** The last element; `undefined` for the root. */
  get name(): PathElement | undefined {
    return this.at(-1);
  }

  /** Whether `other` is this path or lies below it. */
  contains(other: readonly PathElement[]): boolean {
    return (
      other.length >= this.length &&
      this.every((element, i) => sameElement(element, other[i] as PathElement))
    );
  }

  /** The same elements of the same types. */
  equals(other: readonly PathElement[]): boolean {
    return other.length === this.length && this.contains(other);
  }
}

function sameElement(a: PathElement, b: PathElement): boolean {
  if (a instanceof Uint8Array) {
    return b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i]);
  }
  return a === b;
}

/** Halves of pairs, whole pairs included; few strings have any. */
function hasSurrogates(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if ((text.charCodeAt(i) & 0xf800) === 0xd800) return true;
  }
  return false;
}

function checkElement(element: unknown, index: number): PathElement {
  if (typeof element === "string") {
    if (hasSurrogates(element) && /\p{Surrogate}/u.test(element)) {
      throw new WireError(
        "WIRE_BAD_PATH",
        `element ${index} of the path holds half a surrogate pair, which has no UTF-8 form; use bytes`,
      );
    }
    return element;
  }
  if (typeof element === "boolean" || element === null) return element;
  if (typeof element === "number" && Number.isFinite(element)) return element === 0 ? 0 : element;
  if (element instanceof Uint8Array) return new Uint8Array(element);
  const kind =
    typeof element === "number"
      ? `${element}`
      : Array.isArray(element)
        ? "an array"
        : typeof element;
  throw new WireError(
    "WIRE_BAD_PATH",
    `element ${index} of the path is ${kind}; use strings, finite numbers, booleans, null or bytes`,
  );
}
