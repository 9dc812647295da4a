import { createRequire } from "node:module";

import type * as yaml from "yaml";
import type * as util from "yaml/util";

import { formatPath, parsePath } from "../wire/path-text.ts";
import { Path } from "../wire/path.ts";

const require = createRequire(import.meta.url);

/** Loaded with the first document: most commands see none. */
const lib = (): typeof yaml => require("yaml") as typeof yaml;

/** A path as DistKV's YAML has it: `!P a.b.c`. */
const pathTag: yaml.ScalarTag = {
  tag: "!P",
  identify: (value) => value instanceof Path,
  resolve: (text) => parsePath(text),
  // Quoted where the text alone would be something else in YAML, as `:`, the root, is.
  stringify: (item, context) => {
    const { stringifyString } = require("yaml/util") as typeof util;
    return stringifyString({ value: formatPath(item.value as Path) }, context);
  },
};

const OPTIONS = { customTags: ["binary" as const, "timestamp" as const, pathTag] };

/** One YAML document; paths as `!P`, bytes as `!!binary`, dates as timestamps. */
export function toYaml(value: unknown): string {
  return lib().stringify(value === undefined ? null : value, {
    ...OPTIONS,
    // A path is an array too: without this the collection would be taken before the tag is asked.
    aliasDuplicateObjects: false,
  });
}

/** A value in flow style, on one line. */
export function toYamlLine(value: unknown): string {
  return lib()
    .stringify(value, {
      ...OPTIONS,
      aliasDuplicateObjects: false,
      collectionStyle: "flow",
      lineWidth: 0,
    })
    .trimEnd();
}

/**
 * Whole numbers that a JavaScript number would round are bigints.
 *
 * @throws YAMLParseError with line and column, also for what YAML itself would only warn of
 */
export function fromYaml(text: string): unknown {
  const { visit, parseDocument } = lib();
  const document = parseDocument(text, { ...OPTIONS, intAsBigInt: true });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw problem;
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === "bigint") node.value = numberOf(node.value, node.source);
    },
  });
  return document.toJS() as unknown;
}

function numberOf(value: bigint, source: string | undefined): number | bigint {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) return value;
  return number === 0 && source?.startsWith("-") === true ? -0 : number;
}
