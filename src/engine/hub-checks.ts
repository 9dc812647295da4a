import { Path } from "../wire/path.ts";
import { EngineError } from "../base/errors.ts";
import type { Engine, EngineRules, RuleTarget, SubscribeOptions, WriteOptions } from "./engine.ts";

/** Which group a subscription is one of, and how much may wait for all of it. */
export interface GroupOptions {
  readonly name: string;
  readonly maxBacklog: number;
}

/** Our clients send paths; whoever else speaks the protocol may send anything. @throws TypeError */
export function checkPath(path: unknown): Path {
  if (path instanceof Path) return path;
  throw new TypeError("the path must be a Path");
}

/** Where a page begins; undefined: at the beginning. @throws TypeError */
export function checkAfter(after: unknown): Path | undefined {
  return after === undefined ? undefined : checkPath(after);
}

/** @throws TypeError */
export function checkBytes(data: unknown, what = "message"): Uint8Array {
  if (data instanceof Uint8Array) return data;
  throw new TypeError(`the ${what} must be bytes`);
}

/** @throws TypeError */
export function checkTarget(target: RuleTarget): RuleTarget {
  const { path, type } = target as Partial<Record<"path" | "type", unknown>>;
  return path === undefined ? { type: checkPath(type) } : { path: checkPath(path) };
}

/** @throws EngineError `ENGINE_UNSUPPORTED` */
export function rulesOf({ rules }: Engine): EngineRules {
  if (rules !== undefined) return rules;
  throw new EngineError("ENGINE_UNSUPPORTED", "this hub has no rules");
}

/** @throws TypeError */
export function checkGroup(group: GroupOptions | undefined): SubscribeOptions {
  if (group === undefined) return {};
  const { name, maxBacklog } = group;
  if (typeof name !== "string") throw new TypeError("the name of a group must be text");
  if (typeof maxBacklog !== "number" || !(maxBacklog >= 1)) {
    throw new TypeError("maxBacklog must be a number from 1");
  }
  return { group: name, maxBacklog };
}

function checkRevision(revision: unknown): void {
  if (revision === undefined || Number.isSafeInteger(revision)) return;
  throw new TypeError("a revision must be a whole number");
}

/** @throws TypeError */
export function checkWriteOptions(options: WriteOptions): WriteOptions {
  const { ifRevision, condition, operation, repeats, author, durability } = options;
  if (durability !== undefined && durability !== "commit" && durability !== "flushed") {
    throw new TypeError('the durability must be "commit" or "flushed"');
  }
  checkRevision(ifRevision);
  checkRevision(condition?.revision);
  if (repeats !== false) checkRevision(repeats);
  for (const text of [operation, author]) {
    if (text !== undefined && typeof text !== "string") throw new TypeError("must be text");
  }
  if (condition !== undefined) checkPath(condition.path);
  return { ifRevision, condition, operation, repeats, author, durability };
}
