import { BanyanError, NodeError } from "../../base/errors.ts";
import { JobRoot } from "../../runner/job-root.ts";
import { checkJob } from "../../runner/parse-job.ts";
import type { Right } from "../../tree/users/rights.ts";
import { DIRECTORY_KINDS } from "../entry-file.ts";
import { hiddenFields } from "../source-file.ts";
import { type CodeChange, rehearse } from "./rehearsal.ts";
import { targetOf } from "./remote.ts";
import { isConflict, isInStep } from "./standing.ts";
import {
  actionFor,
  refuseConflicts,
  type SyncItem,
  type SyncResult,
  type SyncStep,
  type Transfer,
  type TransferOptions,
} from "./transfer.ts";

export interface PushOptions extends TransferOptions {
  /** Whether code has to compile and link. */
  readonly check: boolean;
}

/** One entry that is to be written or deleted, where it has no value. */
interface Write {
  readonly item: SyncItem;
  readonly step: SyncStep;
  readonly value: unknown;
}

/**
 * Brings what changed in the files to the tree, each entry only if it still is at the revision that it was
 * compared at. All that can be known before is checked before: then nothing is written.
 *
 * @throws NodeError `NODE_SYNC_CONFLICT`, `NODE_SYNC_BROKEN`, `NODE_BAD_DIRECTORY`; RunnerError
 *   `RUNNER_BAD_JOB`; EngineError `ENGINE_DENIED`; what stops it half-way says what was pushed (details:
 *   `pushed`)
 */
export async function push(transfer: Transfer, options: PushOptions): Promise<SyncResult> {
  const { items } = transfer;
  refuseProblems(items);
  if (!options.force) refuseConflicts(items, "push");
  const wanted = items.filter((item) => isWanted(item, options)).map(toWrite);
  const kept = options.delete ? [] : wanted.filter(({ step }) => step.action === "removed");
  const writes = await prepare(transfer, wanted.filter((write) => !kept.includes(write)), options); // prettier-ignore
  if (!options.dryRun) await writeAll(transfer, writes);
  const failed = items.flatMap(({ file, problem }) => (problem === undefined ? [] : [{ file, problem }])); // prettier-ignore
  return { done: writes.map(({ step }) => step), kept: kept.map(({ step }) => step), failed };
}

/** What can't be read is not to be taken for something else. @throws NodeError `NODE_BAD_DIRECTORY` */
function refuseProblems(items: readonly SyncItem[]): void {
  const wrong = items.filter(({ problem, local }) => problem !== undefined && local !== undefined);
  if (wrong.length === 0) return;
  const lines = wrong.map(({ file, problem }) => `  ${file}: ${problem}`).join("\n");
  const files = wrong.map(({ file }) => file);
  const says = `nothing was pushed, because of what is wrong here:\n${lines}`;
  throw new NodeError("NODE_BAD_DIRECTORY", says, { details: { files } });
}

function isWanted(item: SyncItem, { force }: PushOptions): boolean {
  if (item.problem !== undefined || isInStep(item)) return false;
  if (!force) return item.here !== undefined && !isConflict(item);
  // What was never here is no change of what is here.
  return item.local !== undefined || item.base !== undefined;
}

function toWrite(item: SyncItem): Write {
  const { kind, path, file, local, remote } = item;
  const step = { kind, path, file, action: actionFor(remote, local) };
  return { item, step, value: local?.value };
}

/** What is written, complete and in order: what others need first, and what nobody needs any more last. */
async function prepare(
  { tree, signal }: Transfer,
  writes: readonly Write[],
  { check }: PushOptions,
): Promise<readonly Write[]> {
  for (const { item, step } of writes) {
    if (item.kind === "job" && item.local !== undefined) checkFileJob(item);
    await tree.users.demand(RIGHTS[step.action], targetOf(tree, item));
  }
  const changes = writes.flatMap((write) => codeChange(write) ?? []);
  const checked = check && changes.length > 0 ? await rehearse(tree, changes, signal) : undefined;
  const order = checked === undefined ? [] : [...checked.keys()];
  const rank = ({ item, step }: Write): number => {
    const kind = DIRECTORY_KINDS.indexOf(item.kind);
    return step.action === "removed" ? 2 * DIRECTORY_KINDS.length - kind : kind;
  };
  return writes
    .map((write) => ({ ...write, value: complete(write, checked) }))
    .sort((a, b) => rank(a) - rank(b) || order.indexOf(a.item.key) - order.indexOf(b.item.key));
}

const RIGHTS: Readonly<Record<SyncStep["action"], Right>> = { added: "c", changed: "w", removed: "d" }; // prettier-ignore

/** @throws RunnerError `RUNNER_BAD_JOB` with the name of the file */
function checkFileJob({ file, local }: SyncItem): void {
  try {
    checkJob(local?.value);
  } catch (error) {
    if (!BanyanError.is(error)) throw error;
    const says = `nothing was pushed, because of ${file}: ${error.message}`;
    throw new NodeError("NODE_BAD_DIRECTORY", says, { cause: error, details: error.details });
  }
}

function codeChange({ item: { kind, path }, value }: Write): CodeChange | undefined {
  return kind === "proc" || kind === "module" ? { kind, path, value } : undefined;
}

/** With what is derived of code, and what files don't show. */
function complete(
  { item, value }: Write,
  checked: ReadonlyMap<string, object> | undefined,
): unknown {
  const { kind, key, remote } = item;
  if ((kind !== "proc" && kind !== "module") || value === undefined) return value;
  return { ...hiddenFields(kind, remote?.value), ...(checked?.get(key) ?? value) };
}

async function writeAll(transfer: Transfer, writes: readonly Write[]): Promise<void> {
  const pushed: string[] = [];
  for (const write of writes) {
    try {
      transfer.signal.throwIfAborted();
      await writeOne(transfer, write);
    } catch (error) {
      throw halfWay(error, write, pushed);
    }
    pushed.push(write.step.file);
  }
}

async function writeOne({ tree, signal, settle }: Transfer, { item, value }: Write): Promise<void> {
  const { kind, path, file, local, remote } = item;
  const at = targetOf(tree, item);
  const ifRevision = remote?.revision ?? 0;
  if (local?.digest === undefined) {
    // The state of a job, and its runs, go with it.
    if (kind === "job") await (await JobRoot.open(tree)).remove(path, { ifRevision });
    else await tree.delete(at, { ifRevision, signal });
    return settle(item, undefined);
  }
  const { revision } =
    kind === "job"
      ? await (await JobRoot.open(tree)).set(path, value, { ifRevision, signal })
      : await tree.set(at, value, { ifRevision, signal });
  settle(item, { file, digest: local.digest, revision });
}

/** Says how far it got. */
function halfWay(error: unknown, { step }: Write, pushed: readonly string[]): unknown {
  if (!BanyanError.is(error)) return error;
  const already = pushed.length === 0 ? "nothing was pushed" : `pushed before that: ${pushed.join(", ")}`; // prettier-ignore
  const details = { ...error.details, files: [step.file], pushed };
  if (error.code === "ENGINE_CONFLICT") {
    const says = `${step.file} was changed in the tree at this moment; ${already}`;
    return new NodeError("NODE_SYNC_CONFLICT", says, { cause: error, details });
  }
  if (pushed.length === 0) return error;
  const says = `${step.file} could not be pushed: ${error.message}; ${already}`;
  return new NodeError("NODE_SYNC_STOPPED", says, { cause: error, details });
}
