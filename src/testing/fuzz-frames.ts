import { Frame, KEEP, LAST_OPERATION, Operation, QUIET } from "../remote/protocol.ts";
import { FIRST_EXTENSION_TAG, writeValue } from "../wire/value.ts";
import { Writer } from "../wire/writer.ts";
import { seededRandom } from "./random.ts";

/** A whole number from 0 up to, and without, `below`. */
export type Random = (below: number) => number;

/** The same numbers for the same seed. */
export function randomOf(seed: number): Random {
  const random = seededRandom(seed);
  return (below) => Math.floor(random() * below);
}

const NAMES = (
  "echo data counter Counter map fail later never make call numbers stream compiler a list nested f " +
  "count add twin b pull end cancel push length 0 secret then toJSON get set __proto__ constructor " +
  "prototype hasOwnProperty toString call apply bind polluted caller arguments __defineGetter__ " +
  "valueOf sort fill concat"
).split(" ");
/** Ways to what is, and to what must not be, reachable. */
const PATHS = (
  "echo make call later numbers stream counter.add counter.twin counter.count counter.secret " +
  "data.a data.list data.nested.b data.f data.list.push data.__proto__.polluted map.get " +
  "data.constructor echo.constructor counter.constructor.prototype.polluted compiler " +
  "Counter.prototype.polluted data.__defineGetter__ make.call echo.apply data.list.length never"
)
  .split(" ")
  .map((path) => path.split("."));
/** Tags and scalars that are right whatever came before. */
const RIGHT_TAGS = [0, 2, 3, 4, 5, 6, 7, 8, 12, 14];
const TYPED = 15;
const RIGHT_SCALARS = [0, 1, 2, 3, 4];
const MAX_DEPTH = 4;
const MAX_FRAMES = 24;

/** Writes messages: half of them as the protocol has it, the rest with some of their bytes changed. */
export class FuzzFrames {
  readonly #random: Random;
  /** In the message that was made last. */
  frames = 0;
  #lastId = 0;
  /** Whether the message at hand is to be right. */
  #valid = false;

  readonly #rightTags: readonly number[];

  /** `types`: the session was told that its peer tells types. */
  constructor(random: Random, types: boolean) {
    this.#random = random;
    this.#rightTags = types ? [...RIGHT_TAGS, TYPED] : RIGHT_TAGS;
  }

  /** A request that is right: to say a text back. */
  static echo(text: string): Uint8Array {
    const writer = new Writer();
    for (const byte of [Operation.call, 0, 0, 1, 0]) writer.u8(byte);
    writer.string("echo");
    writer.varint(1);
    writeValue(writer, text);
    return writer.take();
  }

  message(): Uint8Array {
    const random = this.#random;
    const writer = new Writer();
    this.frames = 1 + random(MAX_FRAMES);
    this.#valid = random(8) > 2;
    if (random(8) === 0) this.#burst(writer);
    else for (let i = 0; i < this.frames; i++) this.#frame(writer);
    const bytes = writer.takeCopy();
    return this.#valid ? bytes : this.#changed(bytes);
  }

  /** More of the same than a limit allows. */
  #burst(writer: Writer): void {
    const random = this.#random;
    const name = ["make", "never", "echo", "stream", "numbers", "later"][random(6)] ?? "";
    const kept = random(2) === 0 ? 0 : KEEP | (random(2) === 0 ? QUIET : 0);
    const operand = random(3);
    this.frames = 60;
    for (let i = 0; i < this.frames; i++) {
      for (const byte of [Operation.call | kept, 0, 0, 1, 0]) writer.u8(byte);
      writer.string(name);
      writer.varint(operand === 0 ? 0 : 1);
      if (operand === 0) continue;
      writer.u8(FIRST_EXTENSION_TAG + (operand === 1 ? 3 : 4));
      writer.varint(operand === 1 ? ++this.#lastId * 2 + random(2) : ++this.#lastId);
      if (operand === 2) writer.u8(0);
    }
  }

  /** Of the frames that are not requests, those that can be right whatever came before. */
  #frame(writer: Writer): void {
    const kind = this.#random(this.#valid ? 10 : 16);
    if (kind < 9) this.#request(writer);
    else if (kind > 9) this.#otherFrame(writer, kind);
    else {
      writer.u8(this.#random(2) === 0 ? Frame.release : Frame.finish);
      writer.u8(0);
    }
  }

  #otherFrame(writer: Writer, kind: number): void {
    const random = this.#random;
    const frame = 0x20 + random(10);
    writer.u8(frame);
    writer.varint(kind === 15 ? random(2 ** 31) : random(6));
    if (frame === Frame.settled) writer.u8(random(3));
    if (frame === Frame.release) writer.varint(random(4));
    else if (frame < Frame.release || frame === Frame.settled || frame === Frame.broken) {
      this.#value(writer, 0);
    }
  }

  #request(writer: Writer): void {
    const random = this.#random;
    const operation = 1 + random(LAST_OPERATION);
    if (operation === Operation.bytes) {
      this.#bytes(writer);
      return;
    }
    const kept = random(4) === 0 ? KEEP | (random(2) === 0 ? QUIET : 0) : 0;
    writer.u8(operation | kept);
    writer.varint(random(3));
    this.#target(writer);
    this.#path(writer, operation);
    this.#operands(writer, operation);
  }

  #bytes(writer: Writer): void {
    const random = this.#random;
    const size = random(40);
    writer.u8(Operation.bytes | (this.#valid || random(8) > 0 ? 0 : KEEP));
    writer.i32(this.#valid || random(8) > 0 ? size : random(2 ** 31));
    for (let i = 0; i < size; i++) writer.u8(random(256));
  }

  #target(writer: Writer): void {
    const random = this.#random;
    const kind = random(10);
    if (kind < 6) writer.varint(0);
    else if (kind < 8) writer.varint(2 * random(8));
    else if (kind === 8) writer.varint(1 + 2 * (1 + random(4)));
    else writer.varint(random(2 ** 40));
  }

  #path(writer: Writer, operation: number): void {
    const random = this.#random;
    const least = operation === Operation.evaluate ? 0 : 1;
    const path = random(2) === 0 ? [...(PATHS[random(PATHS.length)] ?? [])] : [];
    const more = random(20) > 0 ? random(3) : random(this.#valid ? 55 : 70);
    for (let i = path.length === 0 ? -least : 0; i < more; i++) path.push(this.#anyName());
    writer.u8(path.length);
    for (const name of path) {
      writer.u8(0);
      writer.string(name);
    }
  }

  #anyName(): string {
    return NAMES[this.#random(NAMES.length)] ?? "";
  }

  #name(writer: Writer): void {
    writer.u8(0);
    writer.string(this.#anyName());
  }

  #operands(writer: Writer, operation: number): void {
    const random = this.#random;
    let count = 0;
    if (operation === Operation.map) {
      this.#program(writer);
      return;
    }
    if (operation === Operation.set || operation === Operation.instanceOf) count = 1;
    else if (operation === Operation.evaluate) count = 2;
    else if (operation <= Operation.construct || operation === Operation.reflect) {
      count = random(4);
      writer.varint(this.#valid || random(8) > 0 ? count : random(70_000));
    }
    for (let i = 0; i < count; i++) this.#value(writer, 0);
  }

  /** Of a map: some steps, and what an item becomes. Mostly right. */
  #program(writer: Writer): void {
    const random = this.#random;
    const steps = random(4);
    const list = (count: number): void => {
      writer.u8(FIRST_EXTENSION_TAG + 12);
      writer.varint(count);
    };
    const result = (): void => {
      list(3);
      writeValue(writer, 1);
      writeValue(writer, random(this.#valid ? steps + 1 : 8));
      list(0);
    };
    list(2);
    list(steps);
    for (let i = 0; i < steps; i++) {
      const operands = random(3);
      list(3 + operands);
      writeValue(writer, random(8) > 0 ? 1 + random(3) : random(16));
      list(1);
      writeValue(writer, this.#anyName());
      for (let part = 0; part <= operands; part++) result();
    }
    result();
  }

  #value(writer: Writer, depth: number): void {
    if (depth < MAX_DEPTH && this.#random(2) === 0) this.#special(writer, depth);
    else writeValue(writer, this.#plain(depth));
  }

  #plain(depth: number): unknown {
    const random = this.#random;
    const make = [
      () => random(300) - 150,
      () => random(2 ** 31) / 7,
      () => NAMES[random(NAMES.length)],
      () => [null, undefined, true, false, Number.NaN, -0][random(6)],
      () => BigInt(random(2 ** 31)) ** BigInt(random(12)),
      () => new Uint8Array(random(40)),
      () => new Date(random(2 ** 31)),
      () => new RangeError("fuzz", { cause: new Error("x") }),
      () => (depth < MAX_DEPTH ? [this.#plain(depth + 1), this.#plain(depth + 1)] : []),
      () =>
        depth < MAX_DEPTH
          ? Object.fromEntries([[NAMES[random(NAMES.length)], this.#plain(depth + 1)]])
          : {},
    ];
    return make[random(make.length)]?.();
  }

  /** What only sessions know. */
  #special(writer: Writer, depth: number): void {
    const random = this.#random;
    const tag = this.#valid ? (this.#rightTags[random(this.#rightTags.length)] ?? 0) : random(16);
    writer.u8(FIRST_EXTENSION_TAG + tag);
    switch (tag) {
      case 0:
        return writer.varint(random(20) * 4 + random(3));
      case 1:
        return writer.varint(1 + random(8));
      case 2:
        writer.u8(random(2));
        this.#target(writer);
        return this.#path(writer, Operation.get);
      case 3:
        return writer.varint(++this.#lastId * 2 + random(2));
      case 4:
        writer.varint(++this.#lastId);
        return writer.u8(0);
      case 5:
        return this.#error(writer);
      case 6:
        return this.#scalar(writer);
      case 15:
        return this.#typed(writer);
      default:
        return this.#container(writer, tag, depth);
    }
  }

  /** One of the peer's, with or without a reference to it, or one that comes home. */
  #error(writer: Writer): void {
    const random = this.#random;
    const isLent = random(2) === 0;
    if (isLent) writer.varint(0);
    writer.varint(1 + random(12));
    writeValue(writer, new TypeError("fuzz"));
    if (!isLent) return;
    if (!this.#valid && random(4) === 0) return writeValue(writer, 5);
    writer.u8(FIRST_EXTENSION_TAG);
    writer.varint(random(20) * 4);
  }

  /** A reference, and what it is an instance of. */
  #typed(writer: Writer): void {
    const random = this.#random;
    writer.varint(random(20) * 4 + (this.#valid ? random(2) * 2 : random(4)));
    for (let i = random(3); i > 0; i--) {
      writer.u8(2);
      writer.string(this.#anyName());
      writer.string(this.#valid || random(20) > 0 ? "" : "x".repeat(300));
    }
    const form = random(this.#valid ? 2 : 8);
    writer.varint(form);
    if (form === 1) this.#name(writer);
  }

  #scalar(writer: Writer): void {
    const random = this.#random;
    const kind = this.#valid ? (RIGHT_SCALARS[random(RIGHT_SCALARS.length)] ?? 0) : random(7);
    writer.u8(kind);
    if (kind === 0) writer.u8(random(this.#valid ? 15 : 16));
    else if (kind === 4) writer.varint(random(10));
    else if (kind === 5) return writer.varint(random(4));
    if (kind !== 0) writer.string(kind === 3 ? "https://x.example/y" : "a+b");
    if (kind === 2) {
      writer.string(!this.#valid && random(4) === 0 ? "zz" : "gi");
      writer.varint(random(5));
    }
  }

  #container(writer: Writer, tag: number, depth: number): void {
    const random = this.#random;
    if (tag === 7) {
      for (let i = random(3); i > 0; i--) {
        writer.u8(1);
        this.#value(writer, depth + 1);
      }
      writer.u8(0);
      writer.u8(1);
    } else if (tag === 8) {
      writer.u8(random(2));
      writer.u8(FIRST_EXTENSION_TAG + 9);
      this.#node(writer, depth);
    } else if (tag === 9) {
      this.#node(writer, depth);
    } else if (tag === 12) {
      const count = random(4);
      writer.varint(count);
      for (let i = 0; i < count; i++) this.#value(writer, depth + 1);
    } else {
      if (tag === 14) writer.u8(random(2));
      if (tag === 13) this.#name(writer);
      if (!this.#valid) this.#value(writer, depth + 1);
      else {
        writer.u8(FIRST_EXTENSION_TAG);
        writer.varint(random(20) * 4 + random(3));
      }
    }
  }

  #node(writer: Writer, depth: number): void {
    const random = this.#random;
    const kind = this.#valid ? 1 + random(4) : random(5);
    const count = random(3);
    writer.u8(kind);
    writer.varint(count);
    if (kind === 0) return;
    for (let i = 0; i < count; i++) {
      if (kind === 1) writer.string(this.#anyName());
      if (kind === 3) this.#value(writer, depth + 1);
      this.#value(writer, depth + 1);
    }
  }

  #changed(bytes: Uint8Array): Uint8Array {
    const random = this.#random;
    let changed = Array.from(bytes);
    for (let changes = random(3); changes > 0; changes--) {
      const at = random(changed.length + 1);
      const how = random(4);
      if (how === 0) changed = changed.slice(0, at);
      else if (how === 1) changed.splice(at, random(4));
      else if (how === 2) changed.splice(at, 0, random(256), random(256));
      else changed[at] = random(256);
    }
    return Uint8Array.from(changed);
  }
}
