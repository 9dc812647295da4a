import type { AbortOptions } from "../../base/abort.ts";
import { BanyanError, EngineError } from "../../base/errors.ts";
import { Listing } from "../../base/listing.ts";
import { formatPath } from "../../wire/path-format.ts";
import type { Path } from "../../wire/path.ts";
import type {
  ChildrenOptions,
  Engine,
  EngineAccount,
  EngineChild,
  EngineEntry,
  EnginePeers,
  EngineRules,
  EngineSubscription,
  EngineSupports,
  EngineVersion,
  EngineWatch,
  HistoryRule,
  ListOptions,
  Revision,
  SubscribeOptions,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from "../../engine/engine.ts";
import { SYSTEM, systemPaths } from "../system-paths.ts";
import { GuardedPeers } from "./guarded-peers.ts";
import { GuardedSubscription } from "./guarded-subscription.ts";
import { GuardedWatch } from "./guarded-watch.ts";
import { putAllowed } from "./guarded-writes.ts";
import { codeOfJob, isJob, isRunRequest, jobOfRequest } from "./jobs-named.ts";
import { networkAuthor } from "./network-author.ts";
import { RIGHT_SAYS, type Right, type Rights } from "./rights.ts";

/** Somebody who uses an engine through a guard. */
export interface GuardedUser {
  readonly name: string;
  readonly rights: Rights;
  /** The set of conversions that holds for them, unless their client asks for another. */
  readonly codecs?: string | undefined;
  /** What they may ask about themselves. */
  readonly account: EngineAccount;
}

/** Something that was refused. */
export interface Refusal {
  readonly user: string;
  /** As "get" or "watch". */
  readonly operation: string;
  readonly right: Right | undefined;
  readonly path: Path;
}

/**
 * An engine as one user may use it: the one door that everything passes which comes over the network.
 * Each operation of the contract is here, and looks at the rights of that moment; what is not here can't
 * be done. Reads in place are not: they would go past it.
 *
 * Whoever may not read an entry does not learn what it was or at which revision it is, and what is
 * refused does not tell whether it is there.
 */
export class GuardedEngine implements Engine {
  readonly #plain: Engine;
  /** As it is for a user for whom values are converted. */
  #converted: Engine | undefined;
  readonly #user: () => GuardedUser;
  readonly #onRefusal: (refusal: Refusal) => void;

  /**
   * @param engine stays the caller's
   * @param user who it is; asked with each operation, and throws while that is not known
   */
  constructor(
    engine: Engine,
    user: () => GuardedUser,
    onRefusal: (refusal: Refusal) => void = () => {},
  ) {
    this.#plain = engine;
    this.#user = user;
    this.#onRefusal = onRefusal;
  }

  get label(): string {
    // Where the store lies is nobody's business.
    return `tree of ${this.#user().name}`;
  }

  get supports(): EngineSupports {
    return this.#plain.supports;
  }

  get store(): string {
    return this.#plain.store;
  }

  get revision(): Revision | undefined {
    return this.#plain.revision;
  }

  get account(): EngineAccount {
    return this.#user().account;
  }

  async get(path: Path, options: AbortOptions = {}): Promise<EngineEntry | undefined> {
    this.#check("get", "r", path);
    return this.#engine.get(path, options);
  }

  async put(path: Path, value: Uint8Array, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write("put", path, options, async (own) => {
      const { rights } = this.#user();
      const refuse = (right: Right): EngineError => this.#refusal("put", right, path);
      if (rights.isFull) return this.#engine.put(path, value, own);
      const job = jobOfRequest(path);
      if (job !== undefined) {
        if (!rights.allows("w", job)) throw refuse("w");
        if (isRunRequest(value)) {
          this.#checkRun(codeOfJob((await this.#plain.get(job))?.value), job);
        }
        return this.#engine.put(path, value, own);
      }
      if (isJob(path)) this.#checkRun(codeOfJob(value));
      return putAllowed({ engine: this.#engine, rights, path, options: own, refuse }, value);
    });
  }

  async delete(path: Path, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write("delete", path, options, async (own) => {
      const job = jobOfRequest(path);
      if (job === undefined) this.#check("delete", "d", path);
      else this.#check("delete", "w", job);
      return this.#engine.delete(path, own);
    });
  }

  list(prefix: Path, options: ListOptions = {}): Listing<EngineEntry> {
    return new Listing(() => this.#pages(prefix, options));
  }

  children(path: Path, options: ChildrenOptions = {}): Listing<EngineChild> {
    return new Listing(() => this.#childPages(path, options));
  }

  watch(prefix: Path, options: WatchOptions = {}): EngineWatch {
    const { rights } = this.#user();
    const check = (): void => this.#checkEither("watch", prefix);
    check();
    return new GuardedWatch(this.#engine, prefix, {
      ...options,
      rights,
      sees: (path) => this.#sees(prefix, path),
      check,
    });
  }

  async history(path: Path, options: AbortOptions = {}): Promise<readonly EngineVersion[]> {
    this.#check("history", "r", path);
    return this.#engine.history(path, options);
  }

  async keepHistory(rule: HistoryRule): Promise<void> {
    // It takes the past away from everybody.
    if (!this.#user().rights.isFull) throw this.#refusal("keepHistory", undefined, rule.prefix);
    return this.#engine.keepHistory(rule);
  }

  async historyRules(): Promise<readonly HistoryRule[]> {
    const { rights } = this.#user();
    const rules = await this.#engine.historyRules();
    return rules.filter(({ prefix }) => may(rights, "r", prefix) || may(rights, "e", prefix));
  }

  async publish(topic: Path, data: Uint8Array): Promise<void> {
    this.#check("publish", "w", topic);
    return this.#engine.publish(topic, data);
  }

  subscribe(topic: Path, options: SubscribeOptions = {}): EngineSubscription {
    const { rights } = this.#user();
    // A pattern is no place: of what fits it, what may be heard is.
    const isPattern = topic.some((element) => element === "+" || element === "#");
    const check = (): void => {
      if (!isPattern) this.#checkEither("subscribe", topic);
    };
    check();
    const hears = (of: Path): boolean => may(rights, "r", of);
    const source = this.#engine.subscribe(topic, options);
    const isShared = options.group !== undefined;
    return new GuardedSubscription(source, { rights, hears, check, isShared });
  }

  get rules(): EngineRules | undefined {
    const { rules } = this.#plain;
    if (rules === undefined) return undefined;
    const { withCodecs } = rules;
    return {
      test: async (target, value, options) => {
        if ("type" in target)
          this.#check("test", "r", systemPaths(SYSTEM).rule.concat(["type", ...target.type]));
        // Who may write there finds out as well by writing.
        else if (!may(this.#user().rights, "c", target.path)) this.#check("test", "w", target.path);
        return rules.test(target, value, options);
      },
      violations: async (prefix, after, options) => {
        this.#check("violations", "e", prefix);
        const page = await rules.violations(prefix, after, options);
        return { ...page, items: page.items.filter(({ path }) => this.#sees(prefix, path)) };
      },
      withCodecs:
        withCodecs && ((set) => new GuardedEngine(withCodecs(set), this.#user, this.#onRefusal)),
    };
  }

  get peers(): EnginePeers {
    return new GuardedPeers(() => this.#plain.peers, {
      user: this.#user,
      check: (operation, right, path) => this.#check(operation, right, path),
      refusal: (operation, right, path) => this.#refusal(operation, right, path),
    });
  }

  /** The engine stays its owner's; what was opened here ends with the session that it was opened for. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #engine(): Engine {
    const { codecs } = this.#user();
    if (codecs === undefined) return this.#plain;
    this.#converted ??= this.#plain.rules?.withCodecs?.(codecs);
    return this.#converted ?? this.#plain;
  }

  async *#pages(prefix: Path, options: ListOptions): AsyncGenerator<EngineEntry[], void> {
    const { maxDepth = Infinity } = options;
    this.#check("list", maxDepth > 0 ? "e" : "r", prefix);
    for await (const page of this.#engine.list(prefix, options).pages()) {
      // The parents of neighbours are mostly one.
      let parent: Path | undefined;
      let isListed = false;
      const { rights } = this.#user();
      yield page.filter(({ path }) => {
        if (path.length > prefix.length && parent?.equals(path.slice(0, -1)) !== true) {
          parent = path.parent;
          isListed = isListedBelow(rights, prefix, parent);
        }
        return (path.length === prefix.length || isListed) && may(rights, "r", path);
      });
    }
  }

  async *#childPages(path: Path, options: ChildrenOptions): AsyncGenerator<EngineChild[], void> {
    this.#check("children", "e", path);
    for await (const page of this.#engine.children(path, options).pages()) {
      const { rights } = this.#user();
      yield page.map((child) => {
        const isHidden = child.entry !== undefined && !may(rights, "r", child.entry.path);
        return isHidden ? { name: child.name, entry: undefined } : child;
      });
    }
  }

  /** Writes in the user's own name, and tells them of what was there as much as they may read. */
  async #write(
    operation: string,
    path: Path,
    options: WriteOptions,
    write: (options: WriteOptions) => Promise<WriteResult>,
  ): Promise<WriteResult> {
    const { name, rights } = this.#user();
    const { condition } = options;
    if (condition !== undefined) this.#check(operation, "r", condition.path);
    const reads = may(rights, "r", path);
    const own: WriteOptions = {
      ...options,
      author: isJob(path)
        ? networkAuthor(authorOf(name, options.author))
        : authorOf(name, options.author),
      // Somebody else's name for a write would give what that has come to.
      operation: options.operation && `${name}/${options.operation}`,
    };
    try {
      const result = await write(own);
      return reads ? result : { ...result, previous: undefined };
    } catch (error) {
      if (reads || !BanyanError.has(error, "ENGINE_CONFLICT")) throw error;
      throw new EngineError("ENGINE_CONFLICT");
    }
  }

  /** Whether an entry below `prefix` is one of those that may be seen in a listing of it. */
  #sees(prefix: Path, path: Path): boolean {
    const { rights } = this.#user();
    if (!may(rights, "r", path)) return false;
    return path.length === prefix.length || isListedBelow(rights, prefix, path.parent);
  }

  #check(operation: string, right: Right, path: Path): void {
    if (!may(this.#user().rights, right, path)) throw this.#refusal(operation, right, path);
  }

  /** A node runs what a job names, whoever wrote the job: they have to be one who may run it. */
  #checkRun(code: Path | undefined, named = code): void {
    if (code === undefined || named === undefined || may(this.#user().rights, "x", code)) return;
    throw this.#refusal("run", "x", named);
  }

  #checkEither(operation: string, path: Path): void {
    const { rights } = this.#user();
    if (!may(rights, "r", path)) this.#check(operation, "e", path);
  }

  /** Says what was asked for, and nothing of what is there. */
  #refusal(operation: string, right: Right | undefined, path: Path): EngineError {
    const { name } = this.#user();
    this.#onRefusal({ user: name, operation, right, path });
    const what =
      right === undefined
        ? `has to be an admin to ${operation} at`
        : `may not ${operation === "run" ? "run" : RIGHT_SAYS[right]}`;
    return new EngineError("ENGINE_DENIED", `${name} ${what} ${formatPath(path)}`, {
      details: { path, ...(right === undefined ? {} : { right }) },
    });
  }
}

function may(rights: Rights, right: Right, path: Path): boolean {
  return rights.isFull || rights.allows(right, path);
}

/** Whether each one from `prefix` down to `parent` may be listed. */
function isListedBelow(rights: Rights, prefix: Path, parent: Path): boolean {
  for (let at = parent; ; at = at.parent) {
    if (!may(rights, "e", at)) return false;
    if (at.length <= prefix.length) return true;
  }
}

/** The user, and on whose behalf, where they say more than their own name. */
function authorOf(user: string, said: string | undefined): string {
  if (said === undefined || said === "" || said === user) return user;
  return said.startsWith(`${user} `) ? said : `${user} as ${said}`;
}
