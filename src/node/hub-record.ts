import { readFileSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";

import { randomId } from "../base/ids.ts";
import type { ProcessIdentity } from "../runner/process-identity.ts";
import type { NetworkAddress } from "./network-front.ts";

/** What `.banyan/hub.json` says: which process is the hub, and where it listens. */
export interface HubRecord extends ProcessIdentity {
  /** What a client dials. */
  readonly socket: string;
  /** Which hub this is: every one that takes the store has another. */
  readonly epoch: string;
  /** The package's version. */
  readonly version: string;
  /** Where it can be reached over a network. */
  readonly listening?: readonly NetworkAddress[] | undefined;
}

/** The record; undefined where there is none, or one that makes no sense. */
export async function readHubRecord(path: string): Promise<HubRecord | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  return text === undefined ? undefined : recordIn(text);
}

/** The same at once: for who looks again and again, and would take a hub that starts its processor. */
export function readHubRecordNow(path: string): HubRecord | undefined {
  try {
    return recordIn(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Appears whole or not at all. */
export async function writeHubRecord(path: string, record: HubRecord): Promise<void> {
  const draft = `${path}.${randomId()}`;
  try {
    await writeFile(draft, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Takes the record away, if it is still that hub's. */
export async function removeHubRecord(path: string, epoch: string): Promise<void> {
  if ((await readHubRecord(path))?.epoch === epoch) await rm(path, { force: true });
}

function recordIn(text: string): HubRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<HubRecord> | null;
    const whole =
      typeof record?.pid === "number" &&
      typeof record.start === "number" &&
      typeof record.host === "string" &&
      typeof record.socket === "string" &&
      typeof record.epoch === "string";
    return whole ? (record as HubRecord) : undefined;
  } catch {
    return undefined;
  }
}
