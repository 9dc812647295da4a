import type { Clock } from "../base/clock.ts";
import type { TreeEntry } from "../tree/entry.ts";
import type { Mirror } from "../tree/mirror.ts";
import type { Tree } from "../tree/tree.ts";
import { Path } from "../wire/path.ts";
import { formatPath } from "../wire/path-text.ts";
import { firstFailure } from "./first-failure.ts";
import type { JobEntry, JobRequest } from "./job.ts";
import { parseJob } from "./parse-job.ts";
import type { PendingRequest } from "./schedule.ts";

/** What people want of one job. */
export interface JobView {
  readonly exists: boolean;
  /** `undefined` with `exists`: what is there is no job entry. */
  readonly entry: JobEntry | undefined;
  /** Of what is there; 0: nothing. */
  readonly revision: number;
  /** Who wrote it. */
  readonly author: string;
  readonly request: PendingRequest | undefined;
}

/** Where requests are kept: `.banyan.request.<job>`. */
export function requestRoot(tree: Tree): Path {
  return tree.system.root.append("request");
}

/** The job entries, checked, with the requests people made. Bad entries are told and harm nobody. */
export class JobViews implements AsyncDisposable {
  /** Resolves with the error, if it can't follow the tree any more. */
  readonly failed: Promise<unknown>;
  readonly #jobs: Mirror;
  readonly #requests: Mirror;
  readonly #onBad: (path: Path, error: unknown) => void;
  readonly #onSound: (path: Path) => void;
  readonly #onRemoved: (path: Path) => void;
  readonly #entries = new Map<
    string,
    Pick<JobView, "entry" | "revision" | "author"> & { readonly path: Path }
  >();
  readonly #subscriptions: Disposable[] = [];
  readonly #clock: Clock;
  /** By job, the last request that came while this looked; when, by the steady clock. */
  readonly #heard = new Map<string, { readonly revision: number; readonly at: number }>();

  private constructor(
    mirrors: { readonly jobs: Mirror; readonly requests: Mirror },
    options: JobViewsOptions,
  ) {
    this.#jobs = mirrors.jobs;
    this.failed = firstFailure([mirrors.jobs, mirrors.requests]);
    this.#requests = mirrors.requests;
    this.#clock = options.clock;
    this.#onBad = options.onBad;
    this.#onSound = options.onSound;
    this.#onRemoved = options.onRemoved;
  }

  static async open(tree: Tree, options: JobViewsOptions): Promise<JobViews> {
    const jobs = await tree.mirror(tree.system.job);
    const requests = await tree.mirror(requestRoot(tree));
    const views = new JobViews({ jobs, requests }, options);
    for (const { path } of jobs.entries()) views.#read(views.#jobOf(path));
    return views;
  }

  get(path: Path): JobView {
    const known = this.#entries.get(formatPath(path));
    const stored = this.#requests.entry(this.#requests.path.concat(path));
    const request = this.#request(path, stored);
    return {
      exists: known !== undefined,
      entry: known?.entry,
      revision: known?.revision ?? 0,
      author: known?.author ?? "",
      request,
    };
  }

  /** By the clock of this node, where it has heard of the request itself: the asker's may differ by hours. */
  #request(path: Path, stored: TreeEntry | undefined): PendingRequest | undefined {
    const request = toRequest(stored?.value);
    if (request === undefined || stored === undefined) return undefined;
    const { revision } = stored;
    const heard = this.#heard.get(formatPath(path));
    if (heard?.revision !== revision) return { ...request, revision };
    const ageMs = this.#clock.now() - heard.at;
    return { ...request, revision, time: (this.#clock.wall() - ageMs) / 1000 };
  }

  *paths(): IterableIterator<Path> {
    for (const { path } of this.#entries.values()) yield path;
  }

  /** Calls `listener` with each job that changed or was asked for something. */
  onChange(listener: (path: Path) => void): void {
    const jobs = this.#jobs.subscribe(({ changes }) => {
      const paths = changes.map((change) => this.#jobOf(change.path));
      for (const path of paths) this.#read(path);
      for (const path of paths) listener(path);
    });
    const requests = this.#requests.subscribe(({ changes }) => {
      for (const change of changes) {
        const path = this.#jobOf(change.path);
        const { type, revision } = change;
        if (type === "delete") this.#heard.delete(formatPath(path));
        else this.#heard.set(formatPath(path), { revision, at: this.#clock.now() });
        listener(path);
      }
    });
    this.#subscriptions.push(jobs, requests);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    await this.#jobs.close();
    await this.#requests.close();
  }

  /** Both roots have two elements. */
  #jobOf(stored: Path): Path {
    return Path.fromElements(stored.slice(this.#jobs.path.length));
  }

  #read(path: Path): void {
    const name = formatPath(path);
    const stored = this.#jobs.entry(this.#jobs.path.concat(path));
    if (stored === undefined) {
      this.#entries.delete(name);
      this.#onRemoved(path);
      return;
    }
    const { revision, author } = stored;
    try {
      this.#entries.set(name, { path, entry: parseJob(stored.value), revision, author });
      this.#onSound(path);
    } catch (error) {
      this.#entries.set(name, { path, entry: undefined, revision, author });
      this.#onBad(path, stored.error ?? error);
    }
  }
}

export interface JobViewsOptions {
  readonly clock: Clock;
  /** The entry is none; called again whenever it is written. */
  readonly onBad: (path: Path, error: unknown) => void;
  /** The entry can be used. */
  readonly onSound: (path: Path) => void;
  readonly onRemoved: (path: Path) => void;
}

export function toRequest(value: unknown): JobRequest | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { action, time } = value as Partial<JobRequest>;
  if ((action !== "run" && action !== "cancel") || typeof time !== "number") return undefined;
  return { action, time };
}
