import * as v from "valibot";

import { closest } from "../base/closest.ts";
import { BanyanError, type RunnerError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import { Path, type PathElement } from "../wire/path.ts";
import { parsePath } from "../wire/path-text.ts";
import { isName, NAME_TEXT } from "./names.ts";
import { badJob, JOB_DEFAULTS, type JobEntry, type JobPlace } from "./job.ts";

/** What is wrong at one place of an entry. */
interface JobIssue {
  /** As `place.node`; empty for the entry itself. */
  readonly at: string;
  readonly expected: string;
  readonly received: string;
}

/**
 * Checks a job entry, whoever wrote it, and fills in the defaults.
 *
 * @throws RunnerError `RUNNER_BAD_JOB`, naming every wrong place with what was expected and what was
 *   found there (details: `issues`), and for an unknown field the known one that looks like it
 */
export function parseJob(input: unknown): JobEntry {
  const given = checkFields(input);
  // What was not given is not among the fields, so that no default is overwritten.
  const fields = given as Partial<JobEntry> & Pick<JobEntry, "code">;
  return { ...JOB_DEFAULTS, ...fields, place: placeOf(given.place) };
}

/**
 * The same check for what is to be stored: the fields as they were given, with the code as a path and
 * the target in seconds, and no default filled in.
 *
 * @throws RunnerError `RUNNER_BAD_JOB`
 */
export function checkJob(input: unknown): Readonly<Record<string, unknown>> {
  const given = checkFields(input);
  placeOf(given.place);
  return given;
}

const seconds = v.pipe(v.number(), v.finite("a finite number"), v.minValue(0, "at least 0"));

const name = v.pipe(
  v.string(),
  v.check((text) => isName(text), NAME_TEXT),
);

const FIELDS = v.strictObject({
  code: v.pipe(v.unknown(), v.rawTransform(toCodePath)),
  data: v.optional(v.custom<Record<string, unknown>>(isPlainObject, "an object")),
  place: v.optional(
    v.pipe(
      v.custom<object>(isPlainObject, "an object"),
      v.strictObject({
        any: v.optional(name),
        node: v.optional(name),
        all: v.optional(name),
        group: v.optional(name),
      }),
    ),
  ),
  target: v.optional(v.nullable(v.pipe(v.unknown(), v.rawTransform(toMoment)))),
  repeat: v.optional(seconds),
  delay: v.optional(seconds),
  backoff: v.optional(v.pipe(v.number(), v.finite("a finite number"), v.minValue(1, "at least 1"))),
  max_delay: v.optional(seconds),
  jitter: v.optional(v.pipe(seconds, v.maxValue(1, "at most 1"))),
  ok_after: v.optional(seconds),
  timeout: v.optional(v.pipe(seconds, v.gtValue(0, "more than 0"))),
  partition: v.optional(v.picklist(["stop", "continue"], partitionText)),
  executor: v.optional(v.picklist(["lane"], '"lane"')),
  labels: v.optional(
    v.pipe(v.custom<object>(isPlainObject, "an object"), v.record(v.string(), v.string())),
  ),
  info: v.optional(v.string()),
  enabled: v.optional(v.boolean()),
});

function partitionText({ input }: { readonly input: unknown }): string {
  const known = '"stop" or "continue"';
  if (input !== "per-side") return known;
  return `${known}: "per-side" needs links between nodes beside the hub, which there are not yet; with "continue", a run goes on at each node that is cut off`;
}

const PLACE_FIELDS = ["any", "node", "all", "group"];

type Fields = Partial<v.InferOutput<typeof FIELDS>> & { readonly code: Path };

function checkFields(input: unknown): Fields {
  if (!isPlainObject(input)) {
    throw refused([{ at: "", expected: "an object with `code`", received: kindOf(input) }]);
  }
  const result = v.safeParse(FIELDS, input);
  if (result.success) return withoutUndefined(result.output) as Fields;
  throw refused(result.issues.map(toIssue));
}

/** Exactly one of `any`, `node` and `all`; `group` only beside `node`. */
function placeOf(place: v.InferOutput<typeof FIELDS>["place"]): JobPlace {
  if (place === undefined) return JOB_DEFAULTS.place;
  const { any, node, all, group } = place;
  const named = [any, node, all].filter((part) => part !== undefined);
  if (named.length !== 1) {
    throw refused([
      {
        at: "place",
        expected: "one of `any`, `node` and `all`",
        received: `${named.length} of them`,
      },
    ]);
  }
  if (group !== undefined && node === undefined) {
    throw refused([{ at: "place.group", expected: "`node` beside it", received: "no node" }]);
  }
  if (any !== undefined) return { any };
  if (all !== undefined) return { all };
  return group === undefined ? { node: node ?? "" } : { node: node ?? "", group };
}

function toCodePath({ dataset, addIssue }: v.RawTransformContext<unknown>): Path {
  const value = dataset.value;
  try {
    if (typeof value === "string") return parsePath(value);
    if (Array.isArray(value)) return Path.fromElements(value as readonly PathElement[]);
    addIssue({ message: "a path", input: value });
  } catch (error) {
    const why = BanyanError.is(error) ? error.message : String(error);
    addIssue({ message: `a path (${why})`, input: value });
  }
  return Path.root;
}

function toMoment({ dataset, addIssue }: v.RawTransformContext<unknown>): number {
  const value = dataset.value;
  const moment = value instanceof Date ? value.getTime() / 1000 : value;
  if (typeof moment === "number" && Number.isFinite(moment)) return moment;
  addIssue({ message: "seconds since 1970, a Date, or null", input: value });
  return 0;
}

function toIssue(issue: v.BaseIssue<unknown>): JobIssue {
  const at = (issue.path ?? []).map((item) => String(item.key)).join(".");
  if (issue.type === "strict_object" && issue.expected === "never") {
    const key = String(issue.path?.at(-1)?.key);
    const known = at.startsWith("place.") ? PLACE_FIELDS : Object.keys(FIELDS.entries);
    const like = closest(key, known);
    return {
      at,
      expected: like === undefined ? `there are ${known.join(", ")}` : `did you mean ${like}?`,
      received: "an unknown field",
    };
  }
  const missing = issue.input === undefined;
  // The only field that must be there.
  if (issue.type === "strict_object") return { at, expected: "a path", received: "nothing" };
  return { at, expected: expectedBy(issue), received: missing ? "nothing" : kindOf(issue.input) };
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  boolean: "a boolean",
};

function expectedBy(issue: v.BaseIssue<unknown>): string {
  return EXPECTED[issue.type] ?? issue.message;
}

function refused(issues: readonly JobIssue[]): RunnerError {
  const text = issues.map(({ at, expected, received }) =>
    received === "an unknown field"
      ? `unknown field \`${at}\` (${expected})`
      : `${at === "" ? "the entry" : `\`${at}\``} must be ${expected}, not ${received}`,
  );
  return badJob(text.join("; "), { issues });
}

/** What can stand for a record: not an array, a path, a date or bytes. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function withoutUndefined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
