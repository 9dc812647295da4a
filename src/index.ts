/**
 * Banyan: one tree of data and code, shared by every node.
 *
 * @module
 */
export { BanyanError, type BanyanErrorJson } from "./base/errors.ts";
export { ERROR_CODES, type ErrorCode } from "./base/error-codes.ts";
export type { Clock } from "./base/clock.ts";
export type { Log, LogFields } from "./base/log.ts";

export { formatPath, parsePath, toPath } from "./wire/path-text.ts";
export { comparePaths } from "./wire/path-key.ts";
export { Path, type PathElement, type PathLike } from "./wire/path.ts";

export type {
  Cursor,
  Durability,
  Engine,
  Revision,
  RuleVerdict,
  RuleViolation,
} from "./engine/engine.ts";
export { open, openEngine, type OpenOptions } from "./node/open.ts";

export type { Difference } from "./tree/diff.ts";
export type { TreeEntry } from "./tree/entry.ts";
export type { DiffOptions, KeepHistory, TreeVersion } from "./tree/history.ts";
export type { ErrorRecord } from "./tree/error-record.ts";
export type { ErrorRecords } from "./tree/errors.ts";
export type { TreeChild } from "./tree/list.ts";
export type { TreeMessage } from "./tree/messages.ts";
export type {
  Peers,
  Responder,
  TreeAnswer,
  TreeMember,
  TreeOffer,
  TreePresenceEvent,
  TreeRequest,
} from "./tree/peers.ts";
export { TreeConfig, type TreeConfigOptions } from "./tree/config.ts";
export type { Mirror } from "./tree/mirror.ts";
export type {
  CodecDefinition,
  ConversionDefinition,
  MatchDefinition,
  TypeDefinition,
} from "./tree/rules/definitions.ts";
export type { RuleEntry, Rules, RuleTable } from "./tree/rules/rules.ts";
export { Tree, type TreeOptions } from "./tree/tree.ts";
export type { TreeEvent } from "./tree/watch.ts";
export type { DeleteOptions, DeleteResult, SetOptions, SetResult } from "./tree/write.ts";

export type { CodeInfo, CodeRootOptions } from "./code/code-root.ts";
export type { CodeEntry, CodeMode } from "./code/entry.ts";
export type { CodeLibraryOptions } from "./code/library.ts";
export type { ModuleInfo } from "./code/module-root.ts";
export { cleanStack } from "./code/source-url.ts";
export type { CallOptions, WorkerOptions } from "./code/worker-calls.ts";
export type { AddOptions, AddResult, RemoveOptions } from "./code/store.ts";

export type { JobEntry, JobInput, JobPlace, JobState, Run, RunReason } from "./runner/job.ts";
export type { GroupListing } from "./runner/group.ts";
export type { RemoveNodeOptions } from "./runner/node-removal.ts";
export type { NodeListing } from "./runner/roster.ts";
export type { JobListEvent, JobListing } from "./runner/job-root.ts";
export type { UserJob } from "./node/user-jobs.ts";
export type { BanyanNode, NodeOptions } from "./node/node.ts";
export {
  CodeLibrary,
  CodeRoot,
  expectMembers,
  JobRoot,
  listGroups,
  listNodes,
  listUserJobs,
  ModuleRoot,
  removeNode,
  runNode,
} from "./node/on-use.ts";
