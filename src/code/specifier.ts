import { formatPath, parsePath } from "../wire/path-text.ts";
import { Path } from "../wire/path.ts";

const SCHEME = "tree:";

/**
 * The stored module that `spec` means where it is written in the code called `from`, as the
 * canonical text of its path; `undefined` for a package, builtin or file of the host. `tree:a.b` is a
 * path from the top, `./b` one beside `from`, `../b` one level up.
 *
 * @throws WireError `WIRE_BAD_PATH`
 */
export function moduleOfSpecifier(spec: string, from: string): string | undefined {
  if (spec.startsWith(SCHEME)) return formatPath(parsePath(spec.slice(SCHEME.length)));
  const relative = /^(?:\.\/|(?:\.\.\/)+)/.exec(spec)?.[0];
  if (relative === undefined) return undefined;
  const levels = relative === "./" ? 1 : 1 + relative.length / "../".length;
  const folder = parsePath(from).slice(0, -levels);
  return formatPath(Path.fromElements([...folder, ...parsePath(spec.slice(relative.length))]));
}
