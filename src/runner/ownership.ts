import { BanyanError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import type { Tree } from "../tree/tree.ts";
import type { Path } from "../wire/path.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Incarnation } from "./held-lease.ts";
import type { Roster } from "./roster.ts";
import { SlotMirror, type SlotPath } from "./slot-mirror.ts";

/** `.banyan.owner.<slot>.<job>`: who may run a job. */
export interface OwnerRecord {
  readonly node: string;
  /** The incarnation of that node's lease; `null`: given back in order. */
  readonly lease: string | null;
  /** Tells one claim from another, for a claim whose answer was lost. */
  readonly claim: string;
}

/** The condition that every write of a run makes: the run still owns its job. */
export interface Fence {
  readonly path: Path;
  readonly revision: number;
}

/** What a node can do about a job at the moment. */
export type Standing =
  /** Nobody owns it. */
  | "free"
  /** Its owner's lease is over. */
  | "orphaned"
  /** This node's present incarnation owns it. */
  | "mine"
  /** Another node owns it and lives. */
  | "held";

/** What a node finds of a job whose run went on while it was cut off. */
export type Resumption =
  /** The job is still its own: the revision that is the fence from now on. */
  | { readonly revision: number }
  /** Another has it, or had it; `undefined`: the record is gone. */
  | { readonly other: { readonly node: string; readonly revision: number } | undefined };

/**
 * Who owns which job. A claim is one compare-and-set on the owner record, and its revision is the
 * token: the store's order makes tokens rise, also over a record that was deleted. As long as nothing
 * is written to the record, the token is good as a fence.
 */
export class Ownership implements AsyncDisposable {
  readonly #tree: Tree;
  readonly #node: string;
  readonly #roster: Roster;
  readonly #records: SlotMirror;
  /** This node's writes that the mirror may not show yet. */
  readonly #written = new Map<string, Known>();

  private constructor(tree: Tree, node: string, parts: { roster: Roster; records: SlotMirror }) {
    this.#tree = tree;
    this.#node = node;
    this.#roster = parts.roster;
    this.#records = parts.records;
  }

  /** Uses `roster`, does not own it. */
  static async open(tree: Tree, node: string, roster: Roster): Promise<Ownership> {
    const records = await SlotMirror.open(tree, tree.system.owner, node);
    return new Ownership(tree, node, { roster, records });
  }

  /** Resolves with the error, if it can't follow the tree any more. */
  get failed(): Promise<unknown> {
    return this.#records.failed;
  }

  standing(at: SlotPath, incarnation: Incarnation): Standing {
    const record = this.#known(at).record;
    if (record === undefined || record.lease === null) return "free";
    if (record.lease === incarnation.id) return "mine";
    if (record.node === this.#node) return "orphaned";
    const { type } = this.#roster.standing(record.node, record.lease);
    return type === "live" ? "held" : "orphaned";
  }

  /** Who owns or owned it last. */
  owner(at: SlotPath): string | undefined {
    return this.#known(at).record?.node;
  }

  fence(at: SlotPath, token: number): Fence {
    return { path: this.#records.at(at), revision: token };
  }

  onChange(listener: (at: SlotPath) => void): void {
    this.#records.onChange(listener);
  }

  /**
   * Takes a job that is free, orphaned or this node's own, and gives the new token; `undefined` if
   * another node was faster, or if what was known turned out to be old.
   */
  async claim(
    at: SlotPath,
    incarnation: Incarnation,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const known = this.#known(at);
    const record: OwnerRecord = { node: this.#node, lease: incarnation.id, claim: randomId() };
    const path = this.#records.at(at);
    try {
      const { revision } = await this.#tree.set(path, record, {
        ifRevision: known.revision,
        condition: this.#condition(known.record),
        signal,
      });
      return this.#note(at, revision, record);
    } catch (error) {
      if (isLost(error)) return undefined;
      if (!BanyanError.has(error, "ENGINE_AMBIGUOUS")) throw error;
      const stored = await this.#tree.entry(path, { signal });
      if (toOwnerRecord(stored?.value)?.claim !== record.claim) return undefined;
      return this.#note(at, stored?.revision ?? 0, record);
    }
  }

  /**
   * Takes a job up again that this node had at `revision`, under another lease than then. `claim` tells
   * this resumption from others, where it has to be tried again.
   */
  async resume(
    at: SlotPath,
    mine: { readonly revision: number; readonly lease: string; readonly claim: string },
    signal: AbortSignal,
  ): Promise<Resumption> {
    const path = this.#records.at(at);
    const stored = await this.#tree.entry(path, { signal });
    const record = toOwnerRecord(stored?.value);
    if (stored === undefined || record === undefined) return { other: undefined };
    const { node, lease, claim } = record;
    const { revision } = stored;
    const resumed = node === this.#node && claim === mine.claim;
    if (revision !== mine.revision && !resumed) return { other: { node, revision } };
    if (lease === mine.lease) return { revision };
    const next: OwnerRecord = { node: this.#node, lease: mine.lease, claim: mine.claim };
    const written = await this.#tree.set(path, next, { ifRevision: revision, signal });
    return { revision: this.#note(at, written.revision, next) };
  }

  /** Gives a job back. False if it was this node's no more. */
  async release(at: SlotPath, token: number, signal?: AbortSignal): Promise<boolean> {
    const record: OwnerRecord = { node: this.#node, lease: null, claim: randomId() };
    try {
      const { revision } = await this.#tree.set(this.#records.at(at), record, {
        ifRevision: token,
        signal,
      });
      this.#note(at, revision, record);
      return true;
    } catch (error) {
      if (isLost(error)) return false;
      throw error;
    }
  }

  /** Deletes the record of a job that is gone. */
  async forget(at: SlotPath, token: number): Promise<void> {
    this.#written.delete(keyOf(at));
    await this.#tree.delete(this.#records.at(at), { ifRevision: token });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#records[Symbol.asyncDispose]();
  }

  /** That the one it is taken from is still over when it is taken. */
  #condition(record: OwnerRecord | undefined): { path: Path; revision: number } | undefined {
    // This node's own earlier incarnations ended before the present one began.
    if (record === undefined || record.lease === null || record.node === this.#node) {
      return undefined;
    }
    const standing = this.#roster.standing(record.node, record.lease);
    if (standing.type === "live") {
      throw new Error(`a claim of ${record.node}'s job while its lease holds`);
    }
    return { path: standing.node, revision: standing.revision };
  }

  #known(at: SlotPath): Known {
    const stored = this.#records.entry(at);
    const written = this.#written.get(keyOf(at));
    if (written !== undefined && written.revision > this.#records.revision(at.slot)) return written;
    this.#written.delete(keyOf(at));
    return { revision: stored?.revision ?? 0, record: toOwnerRecord(stored?.value) };
  }

  #note(at: SlotPath, revision: number, record: OwnerRecord): number {
    this.#written.set(keyOf(at), { revision, record });
    return revision;
  }
}

interface Known {
  readonly revision: number;
  readonly record: OwnerRecord | undefined;
}

/** Somebody else's write came first. */
function isLost(error: unknown): boolean {
  return BanyanError.has(error, "ENGINE_CONFLICT") || BanyanError.has(error, "ENGINE_CONDITION");
}

/** The record, if that is one. */
export function toOwnerRecord(value: unknown): OwnerRecord | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { node, lease, claim } = value as Partial<OwnerRecord>;
  const sound = typeof node === "string" && (lease === null || typeof lease === "string");
  return sound ? { node, lease, claim: claim ?? "" } : undefined;
}

function keyOf({ slot, path }: SlotPath): string {
  return `${slot} ${formatPath(path)}`;
}
