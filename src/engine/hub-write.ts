import type { Path } from "../wire/path.ts";
import type { WriteOptions, WriteResult } from "./engine.ts";
import type { HubHello } from "./hub-hello.ts";
import type { RemoteHub } from "./hub-link.ts";
import { type AskedWrite, packWrite, unpackResult } from "./packed-write.ts";

/** Sends a write in the shortest form that the hub takes. */
export function sendWrite(
  asked: AskedWrite,
  hub: RemoteHub,
  hello: HubHello,
): PromiseLike<WriteResult> {
  const packed = hello.hasWrite === true ? packWrite(asked) : undefined;
  const { path, value, options } = asked;
  if (packed !== undefined) return sendPacked(path, hub, packed);
  const said = withoutUnsaid(options);
  return value === undefined ? hub.delete(path, said) : hub.put(path, value, said);
}

async function sendPacked(path: Path, hub: RemoteHub, packed: Uint8Array): Promise<WriteResult> {
  return unpackResult(path, await hub.write(packed));
}

/** What is undefined is as good as not there, and each name would be sent and read. */
function withoutUnsaid(options: WriteOptions): WriteOptions {
  const { ifRevision, condition, operation, repeats, author, durability } = options;
  const said: WriteOptions = {};
  if (operation !== undefined) said.operation = operation;
  if (repeats !== undefined) said.repeats = repeats;
  if (author !== undefined) said.author = author;
  if (durability !== undefined) said.durability = durability;
  if (ifRevision !== undefined) said.ifRevision = ifRevision;
  if (condition !== undefined) said.condition = condition;
  return said;
}
