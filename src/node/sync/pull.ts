import { type FileContent, writeBytes } from "../entry-file.ts";
import { endingOf } from "./folder.ts";
import { importsOf } from "./imports.ts";
import { isConflict, isInStep } from "./standing.ts";
import {
  actionFor,
  refuseConflicts,
  type SyncFailure,
  type SyncItem,
  type SyncResult,
  type SyncStep,
  type Transfer,
  type TransferOptions,
} from "./transfer.ts";

/**
 * Brings what changed in the tree to the files. What was only changed here stays, unless it is forced; what
 * is only here stays in any case.
 *
 * @throws NodeError `NODE_SYNC_CONFLICT`; then nothing was written
 */
export async function pull(transfer: Transfer, options: TransferOptions): Promise<SyncResult> {
  const { items, settle, signal } = transfer;
  if (!options.force) refuseConflicts(items, "pull");
  const done: SyncStep[] = [];
  const kept: SyncStep[] = [];
  const failed: SyncFailure[] = items.flatMap(({ file, problem }) =>
    problem === undefined ? [] : [{ file, problem }],
  );
  for (const item of items) {
    if (!isWanted(item, options)) continue;
    const { kind, path, local, remote } = item;
    const step: SyncStep = { kind, path, file: item.file, action: actionFor(local, remote) };
    if (step.action === "removed" && !options.delete) {
      kept.push(step);
      continue;
    }
    if (options.dryRun) {
      done.push(step);
      continue;
    }
    signal.throwIfAborted();
    try {
      const file = await bring(transfer, item);
      settle(item, remote?.digest === undefined ? undefined : { file, digest: remote.digest, revision: remote.revision }); // prettier-ignore
      done.push({ ...step, file });
    } catch (error) {
      failed.push({ file: item.file, problem: (error as Error).message });
    }
  }
  return { done, kept, failed };
}

function isWanted(item: SyncItem, { force }: TransferOptions): boolean {
  if (item.problem !== undefined || isInStep(item)) return false;
  if (!force) return item.there !== undefined && !isConflict(item);
  // What was never in the tree is no change of what is there.
  return item.remote !== undefined || item.base !== undefined;
}

/** Makes the file as the entry is. @returns its name, which may have got another ending */
async function bring({ folder }: Transfer, item: SyncItem): Promise<string> {
  const { kind, local, remote } = item;
  if (remote === undefined) {
    if (local !== undefined) await folder.remove(local);
    return item.file;
  }
  const ending = endingOf(item);
  const content = writeBytes({ kind, value: remote.value, ending, derived: await importsOf(item, remote.value) }); // prettier-ignore
  if (content.ending === ending) {
    await folder.write(item.file, local, asBefore(content, local?.bytes));
    return item.file;
  }
  const file = folder.nameFor(item, content.ending);
  await folder.write(file, undefined, content.text);
  if (local !== undefined) await folder.remove(local);
  return file;
}

/** Lines end as they did, where they ended with CRLF and mean the same. */
function asBefore(
  { ending, text }: FileContent,
  before: Uint8Array | undefined,
): string | Uint8Array {
  const isCode = /^\.[cm]?[jt]s$/.test(ending);
  if (!isCode || typeof text !== "string" || before === undefined) return text;
  return Buffer.from(before).includes("\r\n") ? text.replaceAll("\n", "\r\n") : text;
}
