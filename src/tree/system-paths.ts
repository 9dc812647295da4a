import { Path } from "../wire/path.ts";

/**
 * Where Banyan keeps its own data in the tree. `<slot>` is "-" for a job that may run on any node,
 * otherwise the node's name.
 */
export interface SystemPaths {
  /** Everything below is the system's. */
  readonly root: Path;
  /** What stored code lives below: `proc` and `module`. */
  readonly code: Path;
  /** `.banyan.code.proc.<path>`: procedures. */
  readonly proc: Path;
  /** `.banyan.code.module.<path>`: modules. */
  readonly module: Path;
  /** `.banyan.job.<path>`: job entries, written by people. */
  readonly job: Path;
  /** `.banyan.state.<slot>.<path>`: job states, written by runners alone. */
  readonly state: Path;
  /** `.banyan.owner.<slot>.<path>`: who owns a job; its revision is the fence. */
  readonly owner: Path;
  /** `.banyan.run.<slot>.<path>.<runId>`: one execution, its log lines below it. */
  readonly run: Path;
  /** `.banyan.config.<name>`: settings of the programs that use the tree. */
  readonly config: Path;
  /** `.banyan.group.<name>`: the members that are expected. */
  readonly group: Path;
  /** `.banyan.node.<name>`: a node's lease. */
  readonly node: Path;
  /** `.banyan.error.<subsystem>.<path>`: error records. */
  readonly error: Path;
  /** `.banyan.rule.<path>`: rules on data. */
  readonly rule: Path;
  /** `.banyan.user.<name>`: who may use the tree over a network. */
  readonly user: Path;
  /** `.banyan.invite.<id>`: invitations of machines, see `Invites`. */
  readonly invite: Path;
  /** `.banyan.role.<name>`: what they may do there. */
  readonly role: Path;
  /** `.banyan.secret.<path>`: what is kept encrypted. */
  readonly secret: Path;
  /** `.banyan.auth`: by what they may say who they are. */
  readonly auth: Path;
  /** `.banyan.audit:<slot>`: what was refused to them. */
  readonly audit: Path;
}

/** Below which Banyan's own data lives, where nothing else is said. */
export const SYSTEM = ".banyan";

export function systemPaths(name: string): SystemPaths {
  const root = Path.fromElements([name]);
  return {
    root,
    code: root.append("code"),
    proc: root.concat(["code", "proc"]),
    module: root.concat(["code", "module"]),
    job: root.append("job"),
    state: root.append("state"),
    owner: root.append("owner"),
    run: root.append("run"),
    config: root.append("config"),
    group: root.append("group"),
    node: root.append("node"),
    error: root.append("error"),
    rule: root.append("rule"),
    user: root.append("user"),
    invite: root.append("invite"),
    role: root.append("role"),
    secret: root.append("secret"),
    auth: root.append("auth"),
    audit: root.append("audit"),
  };
}
