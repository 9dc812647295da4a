import type { AbortOptions } from "../base/abort.ts";
import { checkOptions, ABORT_OPTIONS, type OptionNames } from "../base/options.ts";
import type { Revision } from "../engine/engine.ts";
import { checkTree } from "./check-tree.ts";
import type { Mirror } from "./mirror.ts";
import type { Tree } from "./tree.ts";
import type { SetResult } from "./write.ts";

export interface TreeConfigOptions extends AbortOptions {
  /** What holds where the tree says nothing. */
  readonly defaults?: Readonly<Record<string, unknown>> | undefined;
}

const CONFIG_OPTIONS: OptionNames<TreeConfigOptions> = { ...ABORT_OPTIONS, defaults: true };

/**
 * The settings that a tree keeps for the programs that use it, at `.banyan.config.<name>`: read without
 * waiting, and followed. Jobs have them as `_cfg`. A setting of a name wins as a whole over its default.
 */
export class TreeConfig implements AsyncDisposable {
  readonly #tree: Tree;
  readonly #mirror: Mirror;
  readonly #defaults: Readonly<Record<string, unknown>>;

  private constructor(tree: Tree, mirror: Mirror, defaults: Readonly<Record<string, unknown>>) {
    this.#tree = tree;
    this.#mirror = mirror;
    this.#defaults = defaults;
  }

  /** Complete when it resolves. Uses `tree`, does not own it. */
  static async open(tree: Tree, options: TreeConfigOptions = {}): Promise<TreeConfig> {
    checkTree(tree, "TreeConfig.open");
    checkOptions(options, CONFIG_OPTIONS, "TreeConfig.open");
    const { signal, defaults = {} } = options;
    const mirror = await tree.mirror(tree.system.config, { signal });
    return new TreeConfig(tree, mirror, defaults);
  }

  /** The setting as of now; `undefined` where there is none. */
  get(name: string): unknown {
    const entry = this.#mirror.entry(this.#mirror.path.append(name));
    if (entry !== undefined && entry.error === undefined) return entry.value;
    return Object.hasOwn(this.#defaults, name) ? this.#defaults[name] : undefined;
  }

  /** All settings as of now, in an object of its own. One that can't be decoded is left out. */
  all(): Record<string, unknown> {
    const settings = new Map(Object.entries(this.#defaults));
    for (const name of this.#mirror.children()) {
      const entry = this.#mirror.entry(this.#mirror.path.append(name));
      if (typeof name !== "string" || entry === undefined || entry.error !== undefined) continue;
      settings.set(name, entry.value);
    }
    return Object.fromEntries(settings);
  }

  /** Resolves when what was written at that revision is seen here. See `Mirror.waitFor`. */
  waitFor(revision: Revision, options: AbortOptions = {}): Promise<void> {
    return this.#mirror.waitFor(revision, options);
  }

  /** Calls `listener` when a setting of the tree has changed. See `Mirror.subscribe`. */
  subscribe(listener: () => unknown): Disposable {
    return this.#mirror.subscribe(({ changes }) => (changes.length > 0 ? listener() : undefined));
  }

  /** For all who use the tree. */
  set(name: string, value: unknown, options: AbortOptions = {}): Promise<SetResult> {
    return this.#tree.set(this.#mirror.path.append(name), value, options);
  }

  /** The default holds again. */
  delete(name: string, options: AbortOptions = {}): Promise<SetResult> {
    return this.#tree.delete(this.#mirror.path.append(name), options);
  }

  async close(): Promise<void> {
    await this.#mirror.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
