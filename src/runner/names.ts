import { kindOf } from "../base/kind-of.ts";
import { ANY_SLOT } from "./job.ts";

/** So that there is room for the rest of a path. */
const MAX_NAME_CHARS = 128;

/** What a name of a node or a group is, behind "must be". */
export const NAME_TEXT = `a name: text of 1 to ${MAX_NAME_CHARS} characters, and not "${ANY_SLOT}"`;

/** Whether a node or a group can have it. `-` stands for any node. */
export function isName(name: unknown): name is string {
  return (
    typeof name === "string" &&
    name !== "" &&
    name !== ANY_SLOT &&
    name.length <= MAX_NAME_CHARS &&
    !/\p{Surrogate}/u.test(name)
  );
}

/**
 * @param what as "a node's name"
 * @throws TypeError for what is no string, RangeError for one that is no name
 */
export function checkName(name: unknown, what: string): asserts name is string {
  if (isName(name)) return;
  const text = `${what} must be ${NAME_TEXT}, not ${kindOf(name)}`;
  throw typeof name === "string" ? new RangeError(text) : new TypeError(text);
}
