import type { Revision } from "../engine/engine.ts";
import { Path } from "../wire/path.ts";
import { encodeValue } from "../wire/value.ts";
import type { ErrorDetail } from "./error-detail.ts";
import { sameBytes } from "./same-bytes.ts";
import type { TreeEntry } from "./entry.ts";

/** What one node saw of an error. Times are seconds since 1970. */
interface NodeErrorDetail extends ErrorDetail {
  readonly count: number;
  readonly first: number;
  readonly last: number;
  readonly data: Readonly<Record<string, unknown>>;
  /** When it worked again on this node; absent while it does not. */
  readonly resolved?: number;
}

/**
 * What is known of one thing that fails: there is one record for each pair of subsystem and path,
 * however often and on however many nodes it fails. Message, trace and data are those of the last
 * report. Times are seconds since 1970 by the reporter's wall clock; for people.
 */
export interface ErrorRecord extends NodeErrorDetail {
  /** Which part of the system, as "run" or "compile". */
  readonly subsystem: string;
  /** What it is about: where the thing lives, not where the record does. */
  readonly path: Path;
  /** By the name of the node, or whoever else reported. At most 64, the last to report. */
  readonly nodes: Readonly<Record<string, NodeErrorDetail>>;
  /** Of the record's entry. */
  readonly revision: Revision;
}

/** What is stored: the subsystem and the path are in the entry's own path. */
export type StoredError = Omit<ErrorRecord, "subsystem" | "path" | "revision">;

/** One report, ready to be kept. */
export interface ErrorReport {
  readonly detail: ErrorDetail;
  readonly data: Readonly<Record<string, unknown>>;
  readonly node: string;
  /** Seconds since 1970. */
  readonly time: number;
}

const MAX_NODES = 64;

/** The record after one more report: it is open (again), and its count goes on. */
export function addReport(known: StoredError | undefined, report: ErrorReport): StoredError {
  const own = nodeOf(known, report.node);
  const nodes = { ...known?.nodes, [report.node]: countUp(own, report) };
  return { ...countUp(known, report), nodes: latest(nodes) };
}

/** Whether an open record has this report's message and data. */
export function saysSame(known: StoredError, { detail, data }: ErrorReport): boolean {
  return (
    known.resolved === undefined &&
    known.message === detail.message &&
    known.name === detail.name &&
    sameBytes(encodeValue(known.data), encodeValue(data))
  );
}

/**
 * The record after the thing worked: on `node`, where one is named, and then it is resolved once no
 * node has it open; otherwise everywhere. The same object where that changes nothing.
 */
export function resolveRecord(
  known: StoredError,
  time: number,
  node: string | undefined,
): StoredError {
  if (known.resolved !== undefined) return known;
  if (node === undefined) return { ...known, nodes: mapNodes(known, time), resolved: time };
  const own = nodeOf(known, node);
  if (own === undefined || own.resolved !== undefined) return known;
  const nodes = { ...known.nodes, [node]: { ...own, resolved: time } };
  const open = Object.values(nodes).some((detail) => detail.resolved === undefined);
  return open ? { ...known, nodes } : { ...known, nodes, resolved: time };
}

/** Reads an entry below `root`; `undefined` for what is no record. */
export function toErrorRecord(entry: TreeEntry, root: Path): ErrorRecord | undefined {
  const stored = toStoredError(entry);
  const place = recordPlace(entry.path, root);
  if (stored === undefined || place === undefined) return undefined;
  return { ...stored, ...place, revision: entry.revision };
}

/** Which subsystem and path a record at `path` is about. */
export function recordPlace(
  path: Path,
  root: Path,
): { readonly subsystem: string; readonly path: Path } | undefined {
  const subsystem = path[root.length];
  if (typeof subsystem !== "string") return undefined;
  return { subsystem, path: Path.fromElements(path.slice(root.length + 1)) };
}

/** The stored part of an entry; `undefined` where somebody else wrote something else there. */
export function toStoredError(entry: TreeEntry | undefined): StoredError | undefined {
  const value = entry?.value;
  return isDetail(value) && isPlain(value["nodes"]) && Object.values(value["nodes"]).every(isDetail)
    ? (value as unknown as StoredError)
    : undefined;
}

function nodeOf(known: StoredError | undefined, node: string): NodeErrorDetail | undefined {
  return known !== undefined && Object.hasOwn(known.nodes, node) ? known.nodes[node] : undefined;
}

function countUp(known: NodeErrorDetail | undefined, report: ErrorReport): NodeErrorDetail {
  return {
    ...report.detail,
    data: report.data,
    count: (known?.count ?? 0) + 1,
    first: known?.first ?? report.time,
    last: report.time,
  };
}

function latest(nodes: Readonly<Record<string, NodeErrorDetail>>): StoredError["nodes"] {
  const all = Object.entries(nodes);
  if (all.length <= MAX_NODES) return nodes;
  return Object.fromEntries(all.sort(([, a], [, b]) => b.last - a.last).slice(0, MAX_NODES));
}

function mapNodes(known: StoredError, time: number): StoredError["nodes"] {
  return Object.fromEntries(
    Object.entries(known.nodes).map(([node, detail]) => [node, { resolved: time, ...detail }]),
  );
}

function isDetail(value: unknown): value is Record<string, unknown> {
  return (
    isPlain(value) &&
    ["count", "first", "last"].every((key) => typeof value[key] === "number") &&
    ["message", "name", "trace"].every((key) => typeof value[key] === "string") &&
    isPlain(value["data"])
  );
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
