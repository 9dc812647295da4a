import { closest } from "../../base/closest.ts";
import { kindOf } from "../../base/kind-of.ts";

/** How users say who they are. */
export type LoginMethod = "password" | "token";

export const LOGIN_METHODS: readonly LoginMethod[] = ["password", "token"];

/** What an entry `.banyan.auth` holds; all of them where there is none, and none where it makes no sense. */
export function readLoginMethods(value: unknown): readonly LoginMethod[] {
  if (value === undefined) return LOGIN_METHODS;
  const { methods } = Object(value) as { readonly methods?: unknown };
  if (!Array.isArray(methods)) return [];
  return LOGIN_METHODS.filter((method) => methods.includes(method));
}

/** @throws TypeError, RangeError for what is no list of methods */
export function checkLoginMethods(methods: unknown): readonly LoginMethod[] {
  if (!Array.isArray(methods)) {
    throw new TypeError(
      `methods are a list of ${LOGIN_METHODS.join(", ")}, not ${kindOf(methods)}`,
    );
  }
  if (methods.length === 0) throw new RangeError("without a method nobody could come in");
  for (const method of methods as unknown[]) {
    if (LOGIN_METHODS.some((known) => known === method)) continue;
    const like = typeof method === "string" ? closest(method, LOGIN_METHODS) : undefined;
    const hint =
      like === undefined ? `there are ${LOGIN_METHODS.join(", ")}` : `did you mean ${like}?`;
    throw new RangeError(`there is no method ${JSON.stringify(method)}: ${hint}`);
  }
  return LOGIN_METHODS.filter((method) => methods.includes(method));
}
