/** What importers of a stored module see: read-only, and always the present values. */
export type Namespace = Readonly<Record<string, unknown>>;

/**
 * Makes one out of what reads each export. As a native one: no prototype, names in order, not
 * extensible.
 */
export function makeNamespace(getters: ReadonlyMap<string, () => unknown>): Namespace {
  const namespace = Object.create(null) as object;
  for (const [name, get] of [...getters].sort(([a], [b]) => (a < b ? -1 : 1))) {
    Object.defineProperty(namespace, name, { get, enumerable: true });
  }
  Object.defineProperty(namespace, Symbol.toStringTag, { value: "Module" });
  return Object.preventExtensions(namespace) as Namespace;
}

/**
 * The exports of a unit: its own, and those of the namespaces it re-exports whole. As in ECMAScript,
 * its own win, "default" is never re-exported, and what two of them give is in none.
 */
export function collectExports(
  names: readonly string[],
  getters: readonly (() => unknown)[],
  stars: readonly Namespace[],
): ReadonlyMap<string, () => unknown> {
  const found = new Map<string, () => unknown>();
  const ambiguous = new Set<string>();
  for (const star of stars) {
    for (const name of Object.keys(star)) {
      if (name === "default") continue;
      if (found.has(name)) ambiguous.add(name);
      else found.set(name, () => star[name]);
    }
  }
  for (const name of ambiguous) found.delete(name);
  for (const [index, name] of names.entries()) found.set(name, getters[index] as () => unknown);
  return found;
}
