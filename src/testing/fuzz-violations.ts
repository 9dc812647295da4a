import { Frame, Operation } from "../remote/protocol.ts";
import type { Writer } from "../wire/writer.ts";
import { ask, head, message, one, PROBED_LIMITS, type Probe, TAG, type Write } from "./probe.ts";

function echo(write: Write, count = 1): Uint8Array {
  return message((writer) => {
    head(writer, { path: "echo", count });
    write(writer);
  });
}

function bytes(...raw: number[]): Uint8Array {
  return Uint8Array.from(raw);
}

/** So often, one in the other. */
function nested(times: number, ...open: number[]): Write {
  return (writer) => {
    for (let i = 0; i < times; i++) for (const byte of open) writer.u8(byte);
    writer.u8(0);
  };
}

const end = (name: string, ...messages: Uint8Array[]): Probe => one(name, "end", ...messages);

const repeat =
  (times: number, write: (i: number, writer: Writer) => void): Write =>
  (writer) => {
    for (let i = 1; i <= times; i++) write(i, writer);
  };

const raw = (...all: number[]): Uint8Array =>
  echo((writer) => all.forEach((byte) => writer.u8(byte)));

const long = (kind: number, text: string): Uint8Array =>
  echo((writer) => {
    writer.u8(TAG + 6);
    writer.u8(kind);
    if (kind === 4) writer.varint(1);
    writer.string(text);
  });

/** A promise (3), a signal (4), or something else that has a number. */
const tagged =
  (tag: number) =>
  (i: number, writer: Writer): void => {
    writer.u8(TAG + tag);
    writer.varint(tag === 3 ? i * 2 : i);
    if (tag === 4) writer.u8(0);
  };

const { maxItems, maxDepth, maxRequestsPerMessage, maxExports } = PROBED_LIMITS;

const SMALLEST = bytes(Operation.get, 0, 0, 0);

/** A reference with a type, from a peer that tells types. */
const typed = (name: string, ...after: (number | string)[]): Probe => ({
  ...end(
    name,
    echo((w) => {
      w.u8(TAG + 15);
      for (const part of after) {
        if (typeof part === "string") w.string(part);
        else w.varint(part);
      }
    }),
  ),
  hello: { types: true },
});

function typedViolations(): Probe[] {
  return [
    typed("a type of a function", 5, 0),
    typed("a type that was not told", 4, 3),
    typed("a type that is not told yet", 4, 2, "A", "", 3),
    typed("a type with an endless name", 4, 2, "x".repeat(257), "", 0),
    typed("too many types", 4, ...Array.from({ length: 4_097 }, () => [2, "", ""]).flat(), 0),
    typed("a type with an endless tag", 4, 2, "A", "x".repeat(257), 0),
  ];
}

/** What each ends the session of whoever sends it. */
export function violations(): Probe[] {
  return [
    end("arrays nested too deep", echo(nested(maxDepth + 1, 0x91))),
    end("objects nested too deep", echo(nested(maxDepth + 1, 0x99, 2, 0x61))),
    end("lists nested too deep", echo(nested(maxDepth + 1, TAG + 12, 1))),
    end("chunks nested too deep", echo(nested(maxDepth + 1, TAG + 7, 1))),
    end("errors nested too deep", echo(nested(maxDepth + 1, 0xd1, 0x91))),
    end(
      "more items than may be in a message",
      echo(
        repeat(maxItems + 1, (_, w) => w.u8(0)),
        maxItems + 1,
      ),
    ),
    end(
      "more items in arrays",
      echo((w) => {
        w.u8(0xc8);
        w.varint(maxItems + 1);
        repeat(maxItems + 1, () => w.u8(0))(w);
      }),
    ),
    end(
      "more items in objects",
      echo((w) => {
        w.u8(0xc9);
        w.varint(maxItems + 1);
        repeat(maxItems + 1, () => [0, 0].forEach((byte) => w.u8(byte)))(w);
      }),
    ),
    end(
      "more items in chunks",
      echo((w) => {
        w.u8(TAG + 7);
        repeat(maxItems + 1, () => [1, 0].forEach((byte) => w.u8(byte)))(w);
        for (const byte of [0, 1]) w.u8(byte);
      }),
    ),
    end(
      "more items in lists",
      echo((w) => {
        w.u8(TAG + 12);
        w.varint(maxItems + 1);
        repeat(maxItems + 1, () => w.u8(0))(w);
      }),
    ),
    end(
      "more items in graphs",
      echo((w) => {
        for (const byte of [TAG + 8, 0, TAG + 9, 2]) w.u8(byte);
        w.varint(maxItems + 1);
        repeat(maxItems + 1, () => w.u8(0))(w);
      }),
    ),
    end(
      "more references than items allow",
      echo((w) => repeat(maxItems / 4, (i) => tagged(0)(i, w))(w), maxItems / 4),
    ),
    end(
      "more requests than may be in a message",
      message((w) => {
        for (let i = 0; i <= maxRequestsPerMessage; i++)
          head(w, { kind: Operation.get, path: "echo" });
      }),
    ),
    end(
      "a path of 65 steps",
      message((w) => {
        for (const byte of [Operation.get, 0, 0, 65]) w.u8(byte);
        repeat(65, () => [0, 2, 0x61].forEach((byte) => w.u8(byte)))(w);
      }),
    ),
    end(
      "more arguments than there may be",
      message((w) => head(w, { path: "echo", count: 65_537 })),
    ),
    end("more items than bytes", raw(0xc8, 0xff, 0x0f)),
    end("more properties than bytes", raw(0xc9, 0xff, 0x0f)),
    end(
      "a bigint too large",
      echo((w) => {
        w.u8(0xcd);
        w.varint(16 * 1024 + 1);
        w.bytes(new Uint8Array(16 * 1024 + 1).fill(1));
      }),
    ),
    end("a registered symbol too long", long(1, "x".repeat(1_025))),
    end("a symbol described at length", long(4, "x".repeat(257))),
    end(
      "a promise twice",
      echo((w) => [1, 1].forEach((i) => tagged(3)(i, w)), 2),
    ),
    end(
      "a signal twice",
      echo((w) => [1, 1].forEach((i) => tagged(4)(i, w)), 2),
    ),
    end("promises without end", echo(repeat(maxExports + 1, tagged(3)), maxExports + 1)),
    end("signals without end", echo(repeat(maxExports + 1, tagged(4)), maxExports + 1)),
    end("a signal in no request", bytes(Frame.aborted, 1, TAG + 4, 1, 0)),
    end(
      "home that never left",
      echo((w) => tagged(1)(9, w)),
    ),
    end("a symbol home that never left", raw(TAG + 6, 5, 7)),
    end("an unknown scalar", raw(TAG + 6, 9)),
    end("an unknown symbol", raw(TAG + 6, 0, 99)),
    end(
      "a pattern that is none",
      echo((w) => {
        for (const byte of [TAG + 6, 2]) w.u8(byte);
        w.string("(");
        w.string("");
        w.u8(0);
      }),
    ),
    end("a URL that is none", long(3, "no URL")),
    end("a node in no graph", raw(TAG + 9)),
    end("a node that is not there", raw(TAG + 8, 0, TAG + 9, 0, 5)),
    end("a graph in a graph", raw(TAG + 8, 0, TAG + 8, 0, TAG + 9, 2, 0)),
    end("a node of no kind", raw(TAG + 8, 0, TAG + 9, 7, 0)),
    end("a described reference where none is wanted", raw(TAG + 10, 1, 0, 2)),
    end(
      "an intrinsic where none is wanted",
      echo((w) => {
        for (const byte of [TAG + 11, 0]) w.u8(byte);
        w.string("Function");
      }),
    ),
    end(
      "a class that nobody knows",
      echo((w) => {
        for (const byte of [TAG + 13, 0]) w.u8(byte);
        w.string("Function");
        w.u8(0);
      }),
    ),
    end("a stream that is nowhere", raw(TAG + 14, 0, 0)),
    end("a name that was never sent", bytes(Operation.get, 0, 0, 1, 99)),
    end("an operation that is none", bytes(0, 0, 0, 0)),
    end("quiet, and not kept", bytes(Operation.get | 0x40, 0, 0, 0)),
    end("a tag that nobody asked for: described", raw(TAG + 10)),
    end("a tag that nobody asked for: intrinsic", raw(TAG + 11)),
    end("a tag that nobody asked for: typed", raw(TAG + 15)),
    end("a frame that is none", bytes(0x3f)),
    end(
      "more of the smallest requests than may be in a message",
      message((w) => repeat(maxRequestsPerMessage + 1, () => w.bytes(SMALLEST))(w)),
    ),
    ...typedViolations(),
    end("an answer that nobody waits for", bytes(Frame.answer, 9, 0)),
    end("a failure that nobody waits for", bytes(Frame.failure, 9, 0)),
    end("a promise settled that never came", bytes(Frame.settled, 9, 1, 0)),
    end("a release of what was never lent", bytes(Frame.release, 1, 9, 1)),
    end("a release of more than was lent", ask({ path: "make" }), bytes(Frame.release, 1, 1, 2)),
    end("a release of none", ask({ path: "make" }), bytes(Frame.release, 1, 1, 0)),
    end("a finish of a request that was never made", bytes(Frame.finish, 1, 9)),
    end("no attachments", bytes(Frame.attached, 0)),
    end(
      "too many attachments",
      message((w) => {
        w.u8(Frame.attached);
        w.varint(4_097);
      }),
    ),
    end("attachments in front of a frame", bytes(Frame.attached, 1, Frame.finish, 0)),
    end("attachments of attachments", bytes(Frame.attached, 1), bytes(1), bytes(Frame.attached, 1)),
    end(
      "attachments that nobody names",
      bytes(Frame.attached, 1),
      bytes(1),
      bytes(Frame.finish, 0),
    ),
    end("attachments of another size", bytes(Frame.attached, 1), bytes(1), raw(0xd2, 0xff, 2)),
    end(
      "attachments over the limit",
      bytes(Frame.attached, 2),
      new Uint8Array(40_000),
      new Uint8Array(40_000),
    ),
    end("a message over the limit", new Uint8Array(PROBED_LIMITS.maxMessageBytes + 1)),
    end("a typed array that ends inside of an element", raw(0xcb, 9, 7, 0, 0, 0, 0, 0, 0, 0)),
    end("a typed array of no class", raw(0xcb, 99, 0)),
    end("text that is not UTF-8", raw(0xa2, 0xff, 0xff)),
    end("text that is half a unit", raw(0xc7, 3, 0x61)),
    end("text beyond the message", raw(0xbf, 0x61)),
    end("bytes beyond the message", raw(0xca, 0xff, 0x0f)),
    end("a number too large", raw(0xc8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
    end(
      "a number of too many bytes",
      raw(0xc8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0),
    ),
    end("a tag that is none", raw(0xd8)),
    end("a path key that is none", raw(0xd0, 1, 0x77)),
    end("an extension in an error", raw(0xd1, 0x99, 2, 0x61, TAG)),
    end("a request that ends early", bytes(Operation.call)),
  ];
}
