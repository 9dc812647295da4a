import { statSync } from "node:fs";
import { join } from "node:path";

/** What a name stood for when it was looked at. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/** LMDB's own name for its file. */
const DATA_FILE = "data.mdb";

/** The store's file in `directory`; undefined where there is none. */
export function identityOf(directory: string): FileIdentity | undefined {
  try {
    const { dev, ino } = statSync(join(directory, DATA_FILE));
    return { device: dev, inode: ino };
  } catch {
    return undefined;
  }
}

/** Whether the name still stands for the same file. */
export function isSameFile(directory: string, before: FileIdentity | undefined): boolean {
  const now = identityOf(directory);
  return now?.inode === before?.inode && now?.device === before?.device;
}
