import type { AbortOptions } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { kindOf } from "../base/kind-of.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import { toPath } from "../wire/path-text.ts";
import { Path, type PathLike } from "../wire/path.ts";
import { contend } from "./contend.ts";
import type { TreeEntry } from "./entry.ts";
import { describeError, formatMessage, storableData } from "./error-detail.ts";
import {
  addReport,
  type ErrorRecord,
  type ErrorReport,
  recordPlace,
  resolveRecord,
  saysSame,
  toErrorRecord,
  toStoredError,
} from "./error-record.ts";
import type { Tree } from "./tree.ts";
import type { TreeEvent } from "./watch.ts";

/** What an error record is about. */
export interface ErrorPlace {
  /** Which part of the system, as "run" or "compile". */
  readonly subsystem: string;
  /** Where the thing lives that fails. */
  readonly path: PathLike;
}

export interface ErrorInput extends ErrorPlace, AbortOptions {
  /** What was thrown: anything. Gives name, code, trace, and the message where none is given. */
  readonly error?: unknown;
  /** What happened, for people; "{name}" is filled from `data`. */
  readonly message?: string | undefined;
  /** Facts for people. What can't be stored is kept as text. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** Who saw it; the tree's author if not given, or "unknown". */
  readonly node?: string | undefined;
  /**
   * Counts nothing where the open record says the same already, in message and data: for what every
   * node sees, and one is to tell.
   */
  readonly once?: boolean | undefined;
}

/** What works again. */
interface WorkingPlace extends ErrorPlace, AbortOptions {
  readonly node?: string | undefined;
}

export interface ErrorFilter extends AbortOptions {
  /** Only this part of the system. */
  readonly subsystem?: string | undefined;
  /** Only what is about this path or one below it. */
  readonly under?: PathLike | undefined;
}

interface ErrorListOptions extends ErrorFilter {
  /** Also the resolved ones. */
  readonly all?: boolean | undefined;
}

const PLACE: OptionNames<ErrorPlace & AbortOptions> = {
  ...ABORT_OPTIONS,
  subsystem: true,
  path: true,
};

const INPUT: OptionNames<ErrorInput> = {
  ...PLACE,
  error: true,
  message: true,
  data: true,
  node: true,
  once: true,
};

const WORKING: OptionNames<WorkingPlace> = { ...PLACE, node: true };

const FILTER: OptionNames<ErrorFilter> = { ...ABORT_OPTIONS, subsystem: true, under: true };

const LIST: OptionNames<ErrorListOptions> = { ...FILTER, all: true };

/** What a watch of the records tells; the other marks are those of `TreeEvent`. */
export type ErrorEvent =
  | { readonly type: "record"; readonly record: ErrorRecord }
  | { readonly type: "removed"; readonly subsystem: string; readonly path: Path }
  | Exclude<TreeEvent, { type: "put" | "delete" }>;

/**
 * The error records of a tree, at `.banyan.error.<subsystem>.<path>`: what fails now, what failed
 * before, how often and where. Whoever meets an error calls `record`, whoever succeeds calls
 * `working`; nothing else keeps them up to date. Each change is one compare-and-set, so that
 * reporters at the same time all count.
 */
export class ErrorRecords {
  readonly #tree: Tree;
  readonly #clock: Clock;

  constructor(tree: Tree, clock: Clock) {
    this.#tree = tree;
    this.#clock = clock;
  }

  /**
   * Counts one more occurrence, and opens the record again if it was resolved. Never fails because
   * of what `error` or `data` are, only if the tree can't be written.
   */
  async record(input: ErrorInput): Promise<ErrorRecord> {
    checkOptions(input, INPUT, "errors.record");
    const at = this.#at(input);
    const data = storableData(input.data ?? {});
    const report: ErrorReport = {
      detail: detailOf(input, data),
      data,
      node: input.node ?? this.#tree.author ?? "unknown",
      time: this.#now(),
    };
    let present: ErrorRecord | undefined;
    const change = (entry: TreeEntry | undefined): object | undefined => {
      const known = toStoredError(entry);
      const isNews = input.once !== true || known === undefined || !saysSame(known, report);
      present = isNews || entry === undefined ? undefined : toErrorRecord(entry, this.#root);
      return isNews ? addReport(known, report) : undefined;
    };
    const record = await this.#change(at, change, input);
    // What is not written is there already.
    return (record ?? present) as ErrorRecord;
  }

  /**
   * Says that the thing works: resolves an open record, and creates nothing. With a `node` only that
   * node's part is resolved, and the record when no part is open any more. Gives the record, or
   * `undefined` where none was open.
   */
  async working(place: WorkingPlace): Promise<ErrorRecord | undefined> {
    checkOptions(place, WORKING, "errors.working");
    return this.#resolve(place, place.node);
  }

  /** Resolves an open record because a person says so. It opens again when the error recurs. */
  async resolve(place: ErrorPlace & AbortOptions): Promise<ErrorRecord | undefined> {
    checkOptions(place, PLACE, "errors.resolve");
    return this.#resolve(place, undefined);
  }

  async get(place: ErrorPlace & AbortOptions): Promise<ErrorRecord | undefined> {
    checkOptions(place, PLACE, "errors.get");
    const entry = await this.#tree.entry(this.#at(place), { signal: place.signal });
    return entry === undefined ? undefined : toErrorRecord(entry, this.#root);
  }

  /** The open records, with `all` also the resolved ones, in the order of subsystems and paths. */
  async *list(options: ErrorListOptions = {}): AsyncIterable<ErrorRecord> {
    checkOptions(options, LIST, "errors.list");
    const { prefix, wants } = this.#filter(options);
    for await (const entry of this.#tree.walk(prefix, { signal: options.signal })) {
      const record = toErrorRecord(entry, this.#root);
      if (record === undefined || !wants(record.path)) continue;
      if (options.all === true || record.resolved === undefined) yield record;
    }
  }

  /** The records there are, resolved ones included, "ready", and every change from then on. */
  async *watch(options: ErrorFilter = {}): AsyncIterable<ErrorEvent> {
    checkOptions(options, FILTER, "errors.watch");
    const { prefix, wants } = this.#filter(options);
    let count = 0;
    for await (const event of this.#tree.watch(prefix, { signal: options.signal })) {
      if (event.type === "reset") count = 0;
      if (event.type === "put") {
        const record = toErrorRecord(event.entry, this.#root);
        if (record === undefined || !wants(record.path)) continue;
        count += 1;
        yield { type: "record", record };
      } else if (event.type === "delete") {
        const place = recordPlace(event.path, this.#root);
        if (place !== undefined && wants(place.path)) yield { type: "removed", ...place };
      } else {
        yield event.type === "ready" ? { ...event, count } : event;
      }
    }
  }

  get #root(): Path {
    return this.#tree.system.error;
  }

  #at({ subsystem, path }: ErrorPlace): Path {
    if (typeof subsystem !== "string") {
      throw new TypeError(`an error's subsystem is a string, not ${kindOf(subsystem)}`);
    }
    return this.#root.concat([subsystem, ...toPath(path)]);
  }

  #now(): number {
    return this.#clock.wall() / 1000;
  }

  #filter(options: ErrorFilter): { prefix: Path; wants: (path: Path) => boolean } {
    const under = toPath(options.under ?? Path.root);
    const wants = (path: Path): boolean => under.contains(path);
    if (options.subsystem === undefined) return { prefix: this.#root, wants };
    return { prefix: this.#at({ subsystem: options.subsystem, path: under }), wants };
  }

  async #resolve(
    place: ErrorPlace & AbortOptions,
    node: string | undefined,
  ): Promise<ErrorRecord | undefined> {
    return this.#change(
      this.#at(place),
      (entry) => {
        const known = toStoredError(entry);
        if (known === undefined) return undefined;
        const resolved = resolveRecord(known, this.#now(), node);
        return resolved === known ? undefined : resolved;
      },
      place,
    );
  }

  /** Writes what `change` makes of the entry, as often as somebody else was faster. */
  async #change(
    path: Path,
    change: (entry: TreeEntry | undefined) => object | undefined,
    { signal }: AbortOptions,
  ): Promise<ErrorRecord | undefined> {
    return contend(async () => {
      const before = await this.#tree.entry(path, { signal });
      const value = change(before);
      if (value === undefined) return undefined;
      const ifRevision = before?.revision ?? 0;
      const { revision } = await this.#tree.set(path, value, { ifRevision, signal });
      return toErrorRecord({ path, value, revision, author: "", time: 0 }, this.#root);
    });
  }
}

function detailOf(
  input: ErrorInput,
  data: Readonly<Record<string, unknown>>,
): ErrorReport["detail"] {
  const { message } = input;
  if (message === undefined) return describeError(input.error);
  const told = formatMessage(message, data);
  if (input.error === undefined) return { message: told, name: "Error", trace: "" };
  const detail = describeError(input.error);
  const said = `${detail.name}: ${detail.message}`;
  // A stack mostly starts with what the error says; then nothing is lost by the headline.
  const trace = detail.trace.includes(detail.message) ? detail.trace : `${said}\n${detail.trace}`;
  return { ...detail, message: told, trace: trace.trimEnd() };
}
