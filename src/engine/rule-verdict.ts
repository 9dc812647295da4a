import type { Path } from "../wire/path.ts";
import type { Revision } from "./engine.ts";

/** An entry that does not fit the type of its path: it was there before the rule was. */
export interface RuleViolation {
  readonly path: Path;
  readonly revision: Revision;
  readonly author: string;
  readonly time: number;
  /** The pattern by which its path is of that type. */
  readonly match: Path;
  readonly type: Path;
  /** The type that refuses it: `type` or one above it. */
  readonly by: string;
  /** Why. */
  readonly reason: string;
  /** Where in the value, as `a.0.b`; undefined where it is about all of it. */
  readonly at?: string | undefined;
}

/** What a value is tried against: what values at a path have to fit, or a type. */
export type RuleTarget = { readonly path: Path } | { readonly type: Path };

/** Whether a value would be taken. */
export interface RuleVerdict {
  readonly fits: boolean;
  /** What it was tried against; undefined where nothing is said of the path. */
  readonly type?: Path | undefined;
  /** The pattern by which values at the path are of that type. */
  readonly match?: Path | undefined;
  /** The type that refuses it: `type` or one above it. */
  readonly by?: string | undefined;
  /** Why. */
  readonly reason?: string | undefined;
  /** Where in the value, as `a.0.b`; undefined where it is about all of it. */
  readonly at?: string | undefined;
}
