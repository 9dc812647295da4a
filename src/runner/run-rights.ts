import type { Clock } from "../base/clock.ts";
import type { RunRefusal } from "../engine/engine.ts";
import type { Tree } from "../tree/tree.ts";
import { networkUser } from "../tree/users/network-author.ts";
import { rightsTopic, whyNotRun } from "../tree/users/run-right.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Path } from "../wire/path.ts";
import type { JobReports } from "./job-reports.ts";
import type { JobViews } from "./job-views.ts";

export interface RunRightsOptions {
  readonly tree: Tree;
  readonly clock: Clock;
  /** Does something that nobody waits for. */
  readonly spawn: (name: string, task: () => Promise<unknown>) => void;
  /** Aborts when the node closes. */
  readonly signal: AbortSignal;
  readonly reports: Pick<JobReports, "denied" | "permitted" | "isDenied">;
  /** The jobs as this node sees them. */
  readonly jobs: Pick<JobViews, "get" | "paths">;
}

/** A procedure that must not be run on behalf of a user. */
interface Refused {
  readonly user: string;
  readonly code: Path;
  readonly why: RunRefusal;
}

/** What is refused is asked for again this often, for a message that tells of a change can be lost. */
const ASK_AGAIN_MS = 10_000;

const WHY_TEXT: Readonly<Record<RunRefusal, string>> = {
  removed: "is no user any more",
  disabled: "is disabled",
  right: "has no right x to run it any more",
};

/**
 * Whether the jobs that users have set over the network may be started: they may as long as the user may
 * run their code. That is asked with each start, of the hub or of the tree; what was refused is known
 * here until it is allowed again. Jobs that the owner of the tree has set are nobody's question.
 */
export class RunRights implements Disposable {
  readonly #options: RunRightsOptions;
  readonly #refused = new Map<string, Refused>();
  readonly #listeners: (() => void)[] = [];
  #timer: Disposable | undefined;
  #isFollowing = false;
  #isClosed = false;

  constructor(options: RunRightsOptions) {
    this.#options = options;
  }

  /** Whether it is known that a job may not be started, which is on record then. */
  isDenied(job: Path, code: Path): boolean {
    const user = this.#userOf(job);
    const refused = user === undefined ? undefined : this.#refused.get(keyOf(user, code));
    if (refused !== undefined) this.#options.reports.denied(job, textOf(refused));
    return refused !== undefined;
  }

  /** Asks whether a job may be started now. */
  async mayStart(job: Path, code: Path): Promise<boolean> {
    const user = this.#userOf(job);
    const may = user === undefined || (await this.#ask(user, code));
    if (may) this.#options.reports.permitted(job);
    return may;
  }

  /** To be told of each entry that was written: another may answer for the job now. */
  entryWritten(job: Path, code: Path): void {
    if (!this.#options.reports.isDenied(job)) return;
    this.#options.spawn("ask for rights", () => this.mayStart(job, code));
  }

  /** Calls `listener` when something may run again that might not. */
  onAllowed(listener: () => void): void {
    this.#listeners.push(listener);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
  }

  #userOf(job: Path): string | undefined {
    return networkUser(this.#options.jobs.get(job).author);
  }

  async #ask(user: string, code: Path): Promise<boolean> {
    const { tree, signal } = this.#options;
    const why = await whyNotRun(tree, user, code, { signal });
    const key = keyOf(user, code);
    if (why === undefined) {
      if (this.#refused.delete(key)) this.#allowed(user, code);
      return true;
    }
    this.#refused.set(key, { user, code, why });
    this.#follow();
    return false;
  }

  #allowed(user: string, code: Path): void {
    const { jobs, reports } = this.#options;
    // Also those that are not due: nothing is wrong with them any more.
    for (const path of jobs.paths()) {
      const isOf = this.#userOf(path) === user;
      if (isOf && jobs.get(path).entry?.code.equals(code) === true) reports.permitted(path);
    }
    for (const listener of this.#listeners) listener();
  }

  /** From the first refusal on; most trees have none. */
  #follow(): void {
    this.#arm();
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    const { tree, spawn, signal } = this.#options;
    if (tree.engine.account === undefined) {
      for (const root of [tree.system.user, tree.system.role]) {
        spawn("follow rights", async () => {
          for await (const { type } of tree.watch(root, { signal })) {
            if (type === "put" || type === "delete" || type === "ready") this.#askAgain();
          }
        });
      }
    } else {
      spawn("follow rights", async () => {
        // Who runs jobs over the network may not read who may do what.
        await using changes = tree.subscribe(rightsTopic(tree), { signal });
        await changes.ready;
        this.#askAgain();
        for await (const _ of changes) this.#askAgain();
      });
    }
  }

  #askAgain(): void {
    this.#options.spawn("ask for rights again", async () => {
      try {
        for (const { user, code } of this.#refused.values()) await this.#ask(user, code);
      } finally {
        this.#arm();
      }
    });
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#isClosed || this.#refused.size === 0) return;
    this.#timer = this.#options.clock.after(ASK_AGAIN_MS, () => this.#askAgain());
  }
}

function keyOf(user: string, code: Path): string {
  return `${user} ${formatPath(code)}`;
}

function textOf({ user, code, why }: Refused): string {
  const what = `${user}, who set the job, ${WHY_TEXT[why]}, so ${formatPath(code)} is not started`;
  return `${what}: give that back, or let somebody set the job who may run it`;
}
