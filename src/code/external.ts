import { isBuiltin } from "node:module";
import { pathToFileURL } from "node:url";

import { resolve } from "import-meta-resolve";

import { makeNamespace, type Namespace } from "./namespace.ts";
import type { UnitImport } from "./unit.ts";

/** A directory, as a path or as a URL, as the URL that packages are resolved from. */
export function resolveBase(directory: string): string {
  const url = directory.startsWith("file:") ? directory : pathToFileURL(directory).href;
  // The last part of a URL counts as a file: what is resolved is what stands beside it.
  return `${url.replace(/\/$/, "")}/stored-code.js`;
}

/**
 * Resolves what is no stored module, as if it were written in a file of the host's directory: a
 * package, a builtin, an absolute file.
 */
export function resolveExternal(spec: string, base: string): string {
  if (isBuiltin(spec)) return spec.startsWith("node:") ? spec : `node:${spec}`;
  return resolve(spec, base);
}

/** Imports it. A package that was imported once stays loaded: only stored code is replaced. */
export async function importExternal(
  spec: string,
  base: string,
  json: boolean = false,
): Promise<Namespace> {
  const url = resolveExternal(spec, base);
  return (await (json ? import(url, { with: { type: "json" } }) : import(url))) as Namespace;
}

/**
 * The namespace with all the names that are imported from it, or the first name that is missing. A
 * CommonJS package often exports names that Node can't know before it runs it: those are found in its
 * default export, which Node itself would refuse.
 */
export function bindExternal(
  native: Namespace,
  { names }: UnitImport,
): { readonly namespace: Namespace } | { readonly missing: string } {
  const hidden = names.map(({ name }) => name).filter((name) => !(name in native));
  if (hidden.length === 0) return { namespace: native };
  const inner = native["default"] as Namespace | null | undefined;
  const isOpen = (typeof inner === "object" && inner !== null) || typeof inner === "function";
  const missing = hidden.find((name) => !isOpen || !(name in inner));
  if (missing !== undefined) return { missing };
  const getters = new Map(Object.keys(native).map((name) => [name, () => native[name]] as const));
  for (const name of hidden) getters.set(name, () => inner?.[name]);
  return { namespace: makeNamespace(getters) };
}
