/** The role that may do everything. */
export const ADMIN = "admin";

const ALL = "arwcdxen";
const READ = "rxe";

/** Data, but nothing of Banyan's own: no wildcard stands for `.banyan` as the first element. */
const DATA = { ":": ALL, "#": ALL } as const;

/**
 * Roles that are always there. `admin` is not one of letters: it may do everything, also what no letters
 * give. Machines that run jobs write what runners write, and change no code.
 */
export const BUILT_IN: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map([
  [ADMIN, {}],
  ["reader", { ":": READ, "#": READ, ":.banyan": READ, ":.banyan.#": READ }],
  ["writer", { ...DATA, ":.banyan": READ, ":.banyan.#": READ }],
  [
    "developer",
    {
      ...DATA,
      // The first job of a tree is made where there is nothing yet.
      ":.banyan": "rxen",
      ":.banyan.#": READ,
      ...both(["code", "config", "job", "group", "rule", "error", "load", "request"], ALL),
    },
  ],
  [
    "node",
    {
      ...DATA,
      ":.banyan": "rxen",
      ":.banyan.#": ALL,
      ...both(["code", "config", "rule", "group"], READ),
      // Code that runs there may ask for a run of a job, which takes the right to change it.
      ...both(["job"], "rwxe"),
    },
  ],
]);

function both(names: readonly string[], letters: string): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => [
      [`:.banyan.${name}`, letters],
      [`:.banyan.${name}.#`, letters],
    ]),
  );
}
