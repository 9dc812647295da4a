import type { AbortOptions } from "../base/abort.ts";
import { ABORT_OPTIONS, checkOptions } from "../base/options.ts";
import type { Revision } from "../engine/engine.ts";
import { checkTree } from "../tree/check-tree.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Path, PathLike } from "../wire/path.ts";
import { checkEntry, type CodeEntry } from "./entry.ts";
import { CodeLibrary, type CodeLibraryOptions, LIBRARY_OPTIONS } from "./library.ts";
import type { Namespace } from "./namespace.ts";
import {
  addCode,
  type AddOptions,
  type AddResult,
  codePath,
  removeCode,
  type RemoveOptions,
} from "./store.ts";

/** A module as it is stored, with what is known of it. */
export interface ModuleInfo {
  readonly path: Path;
  readonly code: string;
  /** The procedures and modules that import it. */
  readonly users: readonly string[];
  /** Its version; `undefined` where it can't be run. */
  readonly key: string | undefined;
  /** What is wrong with it. */
  readonly error: string | undefined;
}

/**
 * The stored modules of a tree. Stored code imports them by `import { quux } from "tree:bar.baz"`,
 * the host by `import("bar.baz")` of this class.
 */
export class ModuleRoot implements AsyncDisposable {
  readonly library: CodeLibrary;
  readonly #ownsLibrary: boolean;

  private constructor(library: CodeLibrary, ownsLibrary: boolean) {
    this.library = library;
    this.#ownsLibrary = ownsLibrary;
  }

  /** Follows the code of a tree, or uses a library that does. Evaluates nothing by itself. */
  static async open(
    source: Tree | CodeLibrary,
    options: CodeLibraryOptions = {},
  ): Promise<ModuleRoot> {
    checkOptions(options, LIBRARY_OPTIONS, "ModuleRoot.open");
    if (source instanceof CodeLibrary) return new ModuleRoot(source, false);
    checkTree(source, "ModuleRoot.open");
    return new ModuleRoot(await CodeLibrary.open(source, options), true);
  }

  /** Stores a module, if it compiles and links. See `addCode` for what it refuses. */
  async add(path: PathLike, entry: CodeEntry, options: AddOptions = {}): Promise<AddResult> {
    return addCode(this.library, { kind: "module", path: codePath(path) }, entry, options);
  }

  /** What is stored; `undefined` if there is nothing. */
  async get(path: PathLike, options: AbortOptions = {}): Promise<CodeEntry | undefined> {
    checkOptions(options, ABORT_OPTIONS, "modules.get");
    const at = codePath(path);
    const { tree } = this.library;
    const value = await tree.get(tree.system.module.concat(at), options);
    if (value === undefined) return undefined;
    checkEntry("module", formatPath(at), value);
    return value as CodeEntry;
  }

  /** All modules, in the order of paths; also broken ones. */
  async list(options: AbortOptions = {}): Promise<ModuleInfo[]> {
    checkOptions(options, ABORT_OPTIONS, "modules.list");
    const { library } = this;
    const { tree } = library;
    await library.settled(undefined, options);
    const found: ModuleInfo[] = [];
    for await (const { path: full, value } of tree.walk(tree.system.module, options)) {
      const name = full.slice(tree.system.module.length);
      if (name.length === 0) continue;
      const path = codePath(name);
      const code = (value as Partial<CodeEntry> | null)?.code;
      found.push({
        path,
        code: typeof code === "string" ? code : "",
        users: library.usersOf(path),
        key: library.keyOf(path, "module"),
        error: library.errorOf(path, "module")?.message,
      });
    }
    return found;
  }

  /**
   * Deletes it; gives whether there was one.
   *
   * @throws CodeError `CODE_IN_USE` where other code imports it, unless forced
   */
  async remove(path: PathLike, options: RemoveOptions = {}): Promise<boolean> {
    return removeCode(this.library, { kind: "module", path: codePath(path) }, options);
  }

  /**
   * Evaluates a module here, and gives its exports: always those of the version that is live. Reading
   * one throws the stored error while the module is broken, and `CODE_NOT_FOUND` when it is gone.
   *
   * @throws CodeError `CODE_NOT_FOUND`, or what is wrong with it
   */
  async import(path: PathLike): Promise<Namespace> {
    const current = await this.library.importModule(codePath(path));
    return new Proxy(Object.create(null) as Namespace, {
      get: (_, name) => Reflect.get(current(), name) as unknown,
      has: (_, name) => Reflect.has(current(), name),
      ownKeys: () => Object.keys(current()),
      getOwnPropertyDescriptor: (_, name) =>
        Reflect.has(current(), name)
          ? { value: Reflect.get(current(), name), enumerable: true, configurable: true }
          : undefined,
      set: () => false,
      defineProperty: () => false,
      deleteProperty: () => false,
    });
  }

  /** Resolves when what had arrived, or the write of `revision`, is live here. */
  async settled(revision?: Revision, options: AbortOptions = {}): Promise<void> {
    checkOptions(options, ABORT_OPTIONS, "modules.settled");
    await this.library.settled(revision, options);
  }

  /** Ends it, and the library if it opened that itself. */
  async close(): Promise<void> {
    if (this.#ownsLibrary) await this.library.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
