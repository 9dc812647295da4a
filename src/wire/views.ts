import { WireError } from "../base/errors.ts";
import type { Reader } from "./reader.ts";
import { TAG } from "./tags.ts";
import type { Writer } from "./writer.ts";

interface ViewClass {
  readonly name: string;
  readonly itemBytes: number;
  make(buffer: ArrayBuffer): object;
}

// The place in this table is the class on the wire: only ever append.
const CLASSES: readonly ViewClass[] = [
  { name: "ArrayBuffer", itemBytes: 1, make: (buffer) => buffer },
  { name: "DataView", itemBytes: 1, make: (buffer) => new DataView(buffer) },
  { name: "Int8Array", itemBytes: 1, make: (buffer) => new Int8Array(buffer) },
  { name: "Uint8ClampedArray", itemBytes: 1, make: (buffer) => new Uint8ClampedArray(buffer) },
  { name: "Int16Array", itemBytes: 2, make: (buffer) => new Int16Array(buffer) },
  { name: "Uint16Array", itemBytes: 2, make: (buffer) => new Uint16Array(buffer) },
  { name: "Int32Array", itemBytes: 4, make: (buffer) => new Int32Array(buffer) },
  { name: "Uint32Array", itemBytes: 4, make: (buffer) => new Uint32Array(buffer) },
  { name: "Float32Array", itemBytes: 4, make: (buffer) => new Float32Array(buffer) },
  { name: "Float64Array", itemBytes: 8, make: (buffer) => new Float64Array(buffer) },
  { name: "BigInt64Array", itemBytes: 8, make: (buffer) => new BigInt64Array(buffer) },
  { name: "BigUint64Array", itemBytes: 8, make: (buffer) => new BigUint64Array(buffer) },
];
/** Stands for the class in front of attached bytes; elsewhere it has a tag of its own. */
const UINT8_ARRAY = 0xff;
const numbers: ReadonlyMap<string, number> = new Map(CLASSES.map(({ name }, i) => [name, i]));

const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Copies the bytes a view shows; a subclass (Buffer) crosses as the class it extends. */
export function writeView(writer: Writer, view: ArrayBufferView): void {
  const name = nameOf(view);
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const number = name === "Uint8Array" ? UINT8_ARRAY : numbers.get(name);
  if (LITTLE_ENDIAN && number !== undefined && writer.attach(bytes)) {
    writer.u8(TAG.attached);
    writer.u8(number);
    writer.varint(bytes.length);
  } else if (name === "Uint8Array") {
    writer.u8(TAG.bytes);
    writer.varint(bytes.length);
    writer.bytes(bytes);
  } else {
    writeClass(writer, name, bytes);
  }
}

/** The same of what is a Uint8Array and extends none; false, with nothing written, for all else, of which it asks nothing. */
export function writeIfBytes(writer: Writer, value: unknown): boolean {
  // Of a Proxy, not even that it is one: first comes what only looks.
  if (!ArrayBuffer.isView(value) || Object.getPrototypeOf(value) !== Uint8Array.prototype)
    return false;
  writeView(writer, value);
  return true;
}

export function writeBuffer(writer: Writer, buffer: ArrayBuffer): void {
  writeClass(writer, "ArrayBuffer", new Uint8Array(buffer));
}

/** What follows `TAG.view`, in a buffer of its own. */
export function readView(reader: Reader): object {
  return viewOf(CLASSES[reader.u8()], reader, (size) => reader.copy(size));
}

/** What follows `TAG.attached`, in a buffer of its own. */
export function readAttached(reader: Reader): object {
  const number = reader.u8();
  if (number === UINT8_ARRAY) return reader.attachment(reader.varint());
  return viewOf(CLASSES[number], reader, (size) => reader.attachment(size));
}

function viewOf(
  viewClass: ViewClass | undefined,
  reader: Reader,
  take: (size: number) => Uint8Array<ArrayBuffer>,
): object {
  if (viewClass === undefined) malformed("it names no class of typed arrays");
  const size = reader.varint();
  if (size % viewClass.itemBytes !== 0) malformed("a typed array ends inside an element");
  return viewClass.make(inHostOrder(take(size), viewClass.itemBytes).buffer);
}

/** By what the view is, whatever its class says of itself. */
function nameOf(view: ArrayBufferView): string {
  if (Object.getPrototypeOf(view) === Uint8Array.prototype) return "Uint8Array";
  const name: unknown = Reflect.get(typedArrayPrototype, Symbol.toStringTag, view);
  return typeof name === "string" ? name : "DataView";
}

function writeClass(writer: Writer, name: string, bytes: Uint8Array): void {
  const number = numbers.get(name);
  const viewClass = CLASSES[number ?? -1];
  if (number === undefined || viewClass === undefined) writer.refuse(`it is a ${name}`);
  writer.u8(TAG.view);
  writer.u8(number);
  writer.varint(bytes.length);
  writer.bytes(LITTLE_ENDIAN ? bytes : inHostOrder(bytes.slice(), viewClass.itemBytes));
}

/** Turns each element's bytes around, in place, where the host is big-endian. */
function inHostOrder<Bytes extends Uint8Array>(bytes: Bytes, itemBytes: number): Bytes {
  if (LITTLE_ENDIAN || itemBytes === 1) return bytes;
  for (let at = 0; at < bytes.length; at += itemBytes) bytes.subarray(at, at + itemBytes).reverse();
  return bytes;
}

function malformed(problem: string): never {
  throw new WireError("WIRE_MALFORMED", `the bytes are no value: ${problem}`);
}
