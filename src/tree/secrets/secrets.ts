import type { AbortOptions } from "../../base/abort.ts";
import { TreeError } from "../../base/errors.ts";
import { formatPath, toPath } from "../../wire/path-text.ts";
import type { Path, PathLike } from "../../wire/path.ts";
import { decodeValue } from "../../wire/value.ts";
import { encodeTreeValue } from "../entry.ts";
import type { Tree } from "../tree.ts";
import { isSealed, seal, unseal } from "./seal.ts";

/** Gives the key of a tree's secrets; makes it if there is none and `create` says so. */
export type SecretKey = (create: boolean) => Promise<Uint8Array | undefined>;

/** A secret as it is shown: everything but what it is. */
export interface SecretInfo {
  readonly path: Path;
  readonly author: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/**
 * Values that are kept encrypted: `tree.secrets`. In the tree, and in all that is made of it (listings,
 * watches, history, exports, snapshots, the file on the disk), there is only what can't be read without
 * the key, which lies beside the store. They can be used where the tree is opened by its folder.
 */
export class Secrets {
  readonly #tree: Tree;
  readonly #key: SecretKey | undefined;

  constructor(tree: Tree, key: SecretKey | undefined) {
    this.#tree = tree;
    this.#key = key;
  }

  /** @throws TreeError `TREE_NO_KEY` where the tree was not opened by its folder, `TREE_BAD_VALUE` */
  async set(path: PathLike, value: unknown): Promise<void> {
    const at = toPath(path);
    const sealed = seal(encodeTreeValue(value), await this.#theKey(true), formatPath(at));
    await this.#tree.set(this.#tree.system.secret.concat(at), sealed);
  }

  /** `undefined` if there is none. @throws TreeError `TREE_NO_KEY` */
  async get(path: PathLike, options: AbortOptions = {}): Promise<unknown> {
    const at = toPath(path);
    const stored = await this.#tree.get(this.#tree.system.secret.concat(at), options);
    if (!isSealed(stored)) return undefined;
    return decodeValue(unseal(stored, await this.#theKey(false), formatPath(at)));
  }

  /** Which there are, in the order of paths. */
  async list(options: AbortOptions = {}): Promise<SecretInfo[]> {
    const root = this.#tree.system.secret;
    const entries = await this.#tree.walk(root, { minDepth: 1, ...options }).toArray();
    return entries
      .filter(({ value }) => isSealed(value))
      .map(({ path, author, time }) => ({ path: toPath(path.slice(root.length)), author, time }));
  }

  /** @returns whether there was one */
  async remove(path: PathLike): Promise<boolean> {
    const at = this.#tree.system.secret.concat(toPath(path));
    return (await this.#tree.delete(at)).changed;
  }

  async #theKey(create: boolean): Promise<Uint8Array> {
    if (this.#key === undefined) {
      const says = "secrets can be used where the tree is opened by its folder";
      throw new TreeError("TREE_NO_KEY", says);
    }
    const key = await this.#key(create);
    if (key !== undefined) return key;
    throw new TreeError(
      "TREE_NO_KEY",
      "the key of this tree's secrets is gone; bring its file back",
    );
  }
}
