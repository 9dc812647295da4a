/**
 * Events of a watch as bytes, on their way from a hub: a reader that waits has them sooner than as objects, whose
 * names and shapes would be looked at one by one at both ends.
 */
import { EngineError } from "../base/errors.ts";
import { decodePath, encodePathInto } from "../wire/path-key.ts";
import { PATH_LIMITS } from "../wire/path.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import type { Cursor, EngineEvent } from "./engine.ts";

/** A batch of events, and where it ends. */
export interface EventBatch {
  readonly events: readonly EngineEvent[];
  readonly cursor: Cursor;
}

const Kind = { put: 0, delete: 1, ready: 2, reset: 3, stale: 4, live: 5 } as const;
const CAUSES = ["history", "overflow", "store", "rights"] as const;

const own = new Writer();
const key = new Uint8Array(PATH_LIMITS.maxEncodedBytes);

/** Whether nothing is in there that bytes have no place for. */
export function canPack(events: readonly EngineEvent[]): boolean {
  for (const event of events) {
    if (event.type === "put" && event.entry.error !== undefined) return false;
  }
  return true;
}

/** Of a batch of which `canPack` says so. */
export function packEvents(batch: EventBatch): Uint8Array {
  writeEvents(own, batch);
  return own.take();
}

/** The same, behind what was written before. */
export function writeEvents(writer: Writer, { events, cursor }: EventBatch): void {
  writer.string(cursor.store);
  writer.f64(cursor.revision);
  for (const event of events) writeEvent(writer, event);
}

function writeEvent(writer: Writer, event: EngineEvent): void {
  writer.u8(Kind[event.type]);
  switch (event.type) {
    case "put":
      writeHead(writer, event.entry);
      writer.varint(event.entry.value.length);
      writer.bytes(event.entry.value);
      return;
    case "delete":
      return writeHead(writer, event.entry);
    case "ready":
      return writer.f64(event.revision);
    case "reset":
      return writer.u8(CAUSES.indexOf(event.cause));
    case "stale":
    case "live":
    default:
  }
}

type Head = Extract<EngineEvent, { type: "delete" }>["entry"];

function writeHead(writer: Writer, { path, revision, author, time }: Head): void {
  const size = encodePathInto(path, key, 0);
  writer.varint(size);
  writer.bytes(key.subarray(0, size));
  writer.f64(revision);
  writer.string(author);
  writer.f64(time);
}

/** Values are views of the bytes. @throws WireError, EngineError `ENGINE_UNAVAILABLE` for what is no such batch */
export function unpackEvents(bytes: Uint8Array): EventBatch {
  const reader = new Reader(bytes);
  const cursor = { store: reader.string(), revision: reader.f64() };
  const events: EngineEvent[] = [];
  while (reader.left > 0) events.push(readEvent(reader));
  return { events, cursor };
}

function readEvent(reader: Reader): EngineEvent {
  switch (reader.u8()) {
    case Kind.put: {
      const { path, revision, author, time } = readHead(reader);
      const value = reader.view(reader.varint());
      return { type: "put", entry: { path, value, revision, author, time } };
    }
    case Kind.delete:
      return { type: "delete", entry: readHead(reader) };
    case Kind.ready:
      return { type: "ready", revision: reader.f64() };
    case Kind.reset: {
      const cause = CAUSES[reader.u8()];
      return cause === undefined ? malformed() : { type: "reset", cause };
    }
    case Kind.stale:
      return { type: "stale" };
    case Kind.live:
      return { type: "live" };
    default:
      return malformed();
  }
}

function readHead(reader: Reader): Head {
  const path = decodePath(reader.view(reader.varint()));
  return { path, revision: reader.f64(), author: reader.string(), time: reader.f64() };
}

function malformed(): never {
  throw new EngineError("ENGINE_UNAVAILABLE", "the hub sent events that are none");
}
