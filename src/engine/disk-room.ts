import {
  closeSync,
  existsSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import type { Clock } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import type { WriteRequest } from "./store.ts";

interface Write {
  readonly request: WriteRequest;
  reject(reason: unknown): void;
}

/** What it takes to start a hub: locks, its record, the pages with which it takes the store over. */
const RESERVE_BYTES = 1024 * 1024;
/** It is for those who have room. */
const PLENTY_BYTES = 16 * RESERVE_BYTES;
/** What a transaction takes in pages besides those of its values, and more. */
const PAGES_BYTES = 256 * 1024;
/** Each value is written some times: as an entry, a change, a past version, an answer. */
const TIMES = 4;
/** How long nothing is tried after a failure. */
const RETRY_MS = 500;
/** Of one process. */
const MOST_FAILURES = 100;
/** What `crypto` gives at once. */
const MOST_RANDOM = 65_536;
const RESERVE = "reserve";
const NO_ROOM = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/**
 * Whether the disk has room for a transaction. Once one has failed for want of it, none is begun before there is
 * some: what LMDB leaves behind of many that failed ends the process. A little is kept for the next hub, without
 * which nobody could even read.
 */
export class DiskRoom {
  readonly #directory: string;
  readonly #clock: Clock;
  /** Why the last transaction was refused, if it was for that. */
  #full: EngineError | undefined;
  #failedAt = 0;
  #failures = 0;
  #hasReserve = false;

  constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
    // What was given up for this hub to start is not for what is written.
    const hasReserve = existsSync(join(directory, RESERVE));
    if (hasReserve || freeBytes(directory) >= PLENTY_BYTES || this.#hasRoom(0)) return;
    this.#full = new EngineError("ENGINE_FULL", `there is no room on the disk of ${directory}`);
  }

  /** Whether nothing can be written but what was admitted. */
  get isFull(): boolean {
    return this.#full !== undefined;
  }

  /** Those of `writes` that can be tried; the others are refused. */
  admit<W extends Write>(writes: readonly W[]): readonly W[] {
    if (this.#full === undefined) return writes;
    let bytes = 0;
    for (const { request } of writes) bytes += request.value?.length ?? 0;
    if (this.#hasRoom(TIMES * bytes)) {
      this.#full = undefined;
      return writes;
    }
    const deletions = writes.filter(({ request }) => request.value === undefined);
    const admitted = deletions.length > 0 && this.#mayDelete() ? deletions : [];
    for (const write of writes) if (!admitted.includes(write)) write.reject(this.#full);
    return admitted;
  }

  /** What was freed and flushed may be enough, but who is refused again and again asks now and then only. */
  #mayDelete(): boolean {
    return this.#failures < MOST_FAILURES && this.#clock.now() - this.#failedAt >= RETRY_MS;
  }

  #hasRoom(bytes: number): boolean {
    const kept = this.#hasReserve ? 0 : RESERVE_BYTES;
    return hasRoom(this.#directory, PAGES_BYTES + kept + bytes);
  }

  /** To be told of each transaction that failed. */
  failed(reason: unknown): void {
    if (!(reason instanceof EngineError) || reason.code !== "ENGINE_FULL") return;
    this.#full = reason;
    this.#failedAt = this.#clock.now();
    this.#failures += 1;
  }

  /** Keeps room for the next hub from now on, where it is not kept and there is plenty. */
  keepReserve(): void {
    if (this.#hasReserve) return;
    try {
      if (freeBytes(this.#directory) < PLENTY_BYTES) return;
      const options = { flag: "wx", mode: 0o600 } as const;
      writeFileSync(join(this.#directory, RESERVE), randomBytes(RESERVE_BYTES), options);
      this.#hasReserve = true;
    } catch (error) {
      // There it is: of the owner before. Otherwise there is nothing that could be done.
      this.#hasReserve = (error as NodeJS.ErrnoException).code === "EEXIST";
    }
  }
}

/** What a file system can't make smaller. */
function randomBytes(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += MOST_RANDOM) {
    crypto.getRandomValues(bytes.subarray(at, at + MOST_RANDOM));
  }
  return bytes;
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/** Gives up what is kept in the directory of a store for when there is no other room. @returns whether that made some */
export function giveUpReserve(directory: string): boolean {
  try {
    rmSync(join(directory, RESERVE));
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether a disk, a quota or the largest size of a file has room for so much more behind the data file. Where only
 * a part could be written, LMDB says that input or output failed. So it is tried.
 */
export function hasRoom(directory: string, bytes: number): boolean {
  const probe = join(directory, `full.${randomId()}`);
  try {
    // Behind where the data file ends: some limits are on the size of one file.
    const { size } = statSync(join(directory, "data.mdb"));
    const file = openSync(probe, "wx", 0o600);
    try {
      return writeSync(file, Buffer.alloc(bytes), 0, bytes, size) === bytes;
    } finally {
      closeSync(file);
      rmSync(probe, { force: true });
    }
  } catch (error) {
    return !NO_ROOM.has((error as NodeJS.ErrnoException).code ?? "");
  }
}
