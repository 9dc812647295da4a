import { BanyanError, type EngineError } from "../../base/errors.ts";
import { Path } from "../../wire/path.ts";
import type { Engine, WriteOptions, WriteResult } from "../../engine/engine.ts";
import type { Right, Rights } from "./rights.ts";

/** A write that is refused, however the entry stands. */
type Refuse = (right: Right) => EngineError;

export interface GuardedWrite {
  readonly engine: Engine;
  readonly rights: Rights;
  readonly path: Path;
  readonly options: WriteOptions;
  readonly refuse: Refuse;
}

/** Each round that is lost was won by another writer. */
const MAX_ROUNDS = 1_000;
/** A revision that no entry has. */
const NEVER = Number.MAX_SAFE_INTEGER;

/**
 * A put by somebody who may create or change, and perhaps not both, or not below what is missing: looks
 * at how it stands, and writes by compare-and-set, so that what was decided is what is done.
 */
export async function putAllowed(write: GuardedWrite, value: Uint8Array): Promise<WriteResult> {
  const { rights, path, options } = write;
  if (mayAnyway(rights, "c", path) && mayAnyway(rights, "w", path)) {
    return write.engine.put(path, value, options);
  }
  for (let round = 0; ; round++) {
    try {
      return await putOnce(write, value);
    } catch (error) {
      const isLost = options.ifRevision === undefined && BanyanError.has(error, "ENGINE_CONFLICT");
      if (!isLost || round === MAX_ROUNDS) throw error;
    }
  }
}

async function putOnce(write: GuardedWrite, value: Uint8Array): Promise<WriteResult> {
  const { engine, rights, path, options, refuse } = write;
  const put = (ifRevision: number): Promise<WriteResult> =>
    engine.put(path, value, { ...options, ifRevision });
  const entry = await engine.get(path, { signal: options.signal });
  const present = entry === undefined ? await presentElements(engine, path) : path.length;
  const right = entry === undefined ? "c" : "w";
  if (!rights.allows(right, path, present)) return done(() => put(NEVER), refuse(right));
  return put(options.ifRevision ?? entry?.revision ?? 0);
}

/**
 * The answer to a write that was done before, and is sent again because that was lost; what it made of
 * the entry may be what forbids it now.
 */
async function done(again: () => Promise<WriteResult>, refusal: EngineError): Promise<WriteResult> {
  try {
    return await again();
  } catch (error) {
    if (BanyanError.has(error, "ENGINE_CONFLICT")) throw refusal;
    throw error;
  }
}

/** Whether it does not matter what of the way is there already. */
function mayAnyway(rights: Rights, right: Right, path: Path): boolean {
  for (let present = 0; present <= path.length; present++) {
    if (!rights.allows(right, path, present)) return false;
  }
  return true;
}

/** How many elements of the path, its last left aside, lead to an entry or to something above one. */
async function presentElements(engine: Engine, path: Path): Promise<number> {
  for (let length = path.length; length > 0; length--) {
    const above = length === path.length ? path : Path.fromElements(path.slice(0, length));
    for await (const page of engine.list(above).pages()) if (page.length > 0) return length;
  }
  return 0;
}
