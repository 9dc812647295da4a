import type { AbortOptions } from "../../base/abort.ts";
import { BanyanError, EngineError, TreeError } from "../../base/errors.ts";
import type { Revision } from "../../engine/engine.ts";
import { formatPath, toPath } from "../../wire/path-text.ts";
import type { Path, PathLike } from "../../wire/path.ts";
import { decodeValue } from "../../wire/value.ts";
import { contend } from "../contend.ts";
import { encodeTreeValue, type TreeEntry } from "../entry.ts";
import type { Tree } from "../tree.ts";
import { isSealed, keyId, seal, type Sealed, unseal } from "./seal.ts";
import { type KeyRecord, readKeyRecord, type SecretKeys } from "./secret-keys.ts";

/** A secret as it is shown: everything but what it is. */
export interface SecretInfo {
  readonly path: Path;
  readonly author: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** Which key holds, and the revision of the entry that says so; 0 for none. */
interface KeyState {
  readonly record: KeyRecord | undefined;
  readonly revision: Revision;
}

/**
 * Values that are kept encrypted: `tree.secrets`. In the tree, and in all that is made of it (listings,
 * watches, history, exports, snapshots, the file on the disk), there is only what can't be read without
 * the key, which lies beside the store or is given. Who has no key and uses a hub over the network asks
 * the hub, which looks at their rights and uses its own.
 */
export class Secrets {
  readonly #tree: Tree;
  readonly #keys: SecretKeys | undefined;

  constructor(tree: Tree, keys: SecretKeys | undefined) {
    this.#tree = tree;
    this.#keys = keys;
  }

  /**
   * @throws TreeError `TREE_NO_KEY` where the key is missing or another one, `TREE_BAD_VALUE`;
   *   EngineError `ENGINE_DENIED` where the hub does not let this user
   */
  async set(path: PathLike, value: unknown): Promise<void> {
    const at = this.#place(path);
    const plain = encodeTreeValue(value);
    const { account } = this.#tree.engine;
    if (this.#keys === undefined && account !== undefined) return account.writeSecret(at, plain);
    return this.#contend(async () => {
      const { record, revision } = await this.#state();
      const key = await this.#keyToSeal(record);
      const id = keyId(key);
      const held = record?.next ?? record?.current;
      const since = held === id && revision > 0 ? revision : await this.#hold(id, revision);
      // A key that was changed in this moment must not leave this one behind.
      const condition = { path: this.#root, revision: since };
      await this.#tree.set(this.#root.concat(at), seal(plain, key, formatPath(at)), { condition });
    });
  }

  /** `undefined` if there is none. @throws TreeError `TREE_NO_KEY`; EngineError `ENGINE_DENIED` */
  async get(path: PathLike, options: AbortOptions = {}): Promise<unknown> {
    const at = this.#place(path);
    const { account } = this.#tree.engine;
    if (this.#keys === undefined && account !== undefined) {
      const plain = await account.readSecret(at);
      return plain === undefined ? undefined : decodeValue(plain);
    }
    const stored = await this.#tree.get(this.#root.concat(at), options);
    if (!isSealed(stored)) return undefined;
    return decodeValue(await this.#open(stored, at));
  }

  /** Which there are, in the order of paths. */
  async list(options: AbortOptions = {}): Promise<SecretInfo[]> {
    const found = await this.#sealed(options);
    return found.map(({ at, entry: { author, time } }) => ({ path: at, author, time }));
  }

  /** @returns whether there was one */
  async remove(path: PathLike): Promise<boolean> {
    return (await this.#tree.delete(this.#root.concat(this.#place(path)))).changed;
  }

  /**
   * Seals every secret anew with another key. May be broken off at any moment, and is called again with
   * the same key then: until it has returned the key before has to be at hand, and so has the new one
   * for whoever uses secrets meanwhile.
   *
   * @returns how many were sealed anew by this call
   * @throws TreeError `TREE_NO_KEY` where a key is missing that a secret needs, or another change of
   *   the key is under way
   */
  async rotate(key: Uint8Array): Promise<number> {
    const id = keyId(key);
    // Nothing is begun that can't be finished.
    for (const { at, sealed } of await this.#sealed({})) await this.#open(sealed, at, key);
    await this.#contend(async () => {
      const { record, revision } = await this.#state();
      if (record?.next !== undefined && record.next !== id) {
        const says = `the key is being changed to ${record.next} already; finish that first`;
        throw new TreeError("TREE_NO_KEY", says);
      }
      if (record?.next === id || (record?.current === id && revision > 0)) return;
      const next: KeyRecord = { current: record?.current ?? id, next: id };
      await this.#tree.set(this.#root, next, { ifRevision: revision });
    });
    let count = 0;
    for (const { at } of await this.#sealed({})) if (await this.#sealAnew(at, key)) count++;
    await this.#contend(async () => {
      const { record, revision } = await this.#state();
      if (record?.next !== id) return;
      await this.#tree.set(this.#root, { current: id }, { ifRevision: revision });
    });
    // What they were before is sealed with keys that are to be good for nothing.
    await this.#tree.keepHistory(this.#root, { versions: 0 });
    return count;
  }

  get #root(): Path {
    return this.#tree.system.secret;
  }

  #place(path: PathLike): Path {
    const at = toPath(path);
    if (at.length === 0) throw new TypeError("a secret has a path of one element at least");
    return at;
  }

  async #sealAnew(at: Path, key: Uint8Array): Promise<boolean> {
    const path = this.#root.concat(at);
    return contend(async () => {
      const entry = await this.#tree.entry(path);
      const stored = entry?.value;
      if (entry === undefined || !isSealed(stored) || stored.key === keyId(key)) return false;
      const sealed = seal(await this.#open(stored, at, key), key, formatPath(at));
      await this.#tree.set(path, sealed, { ifRevision: entry.revision });
      return true;
    });
  }

  async #open(sealed: Sealed, at: Path, key?: Uint8Array): Promise<Uint8Array> {
    const keys = [...(await this.#allKeys()), ...(key === undefined ? [] : [key])];
    const fits = keys.find((one) => keyId(one) === sealed.key);
    if (fits === undefined) throw this.#noKey(`the secret ${formatPath(at)}`, sealed.key, keys);
    return unseal(sealed, fits, formatPath(at));
  }

  /** The key that holds at the moment, or the first there is. */
  async #keyToSeal(record: KeyRecord | undefined): Promise<Uint8Array> {
    const keys = await this.#allKeys();
    const held = record?.next ?? record?.current;
    const key = held === undefined ? keys[0] : keys.find((one) => keyId(one) === held);
    if (key !== undefined) return key;
    // Where nothing is left that needs the one that is gone, there may be another.
    if (held !== undefined && (await this.#sealed({})).length > 0) {
      throw this.#noKey("what is written", held, keys);
    }
    const other = keys[0] ?? (await this.#keys?.create?.());
    if (other !== undefined) return other;
    throw this.#noKey("what is written", held, keys);
  }

  /** Says in the tree that this key holds. @returns the revision of that */
  async #hold(id: string, revision: Revision): Promise<Revision> {
    return (await this.#tree.set(this.#root, { current: id }, { ifRevision: revision })).revision;
  }

  async #allKeys(): Promise<readonly Uint8Array[]> {
    if (this.#keys !== undefined) return this.#keys.all();
    const says =
      "secrets can be used where the tree is opened by its folder, over the network, or with their key";
    throw new TreeError("TREE_NO_KEY", says);
  }

  #noKey(what: string, needs: string | undefined, keys: readonly Uint8Array[]): TreeError {
    const from = this.#keys?.from ?? "nowhere";
    const which = needs === undefined ? "a key" : `the key ${needs}`;
    const has =
      keys.length === 0
        ? `there is none in ${from}`
        : `${from} has ${keys.map((key) => keyId(key)).join(", ")}`;
    return new TreeError("TREE_NO_KEY", `${what} needs ${which}, and ${has}; bring the key back`, {
      details: { needs, has: keys.map((key) => keyId(key)) },
    });
  }

  async #state(): Promise<KeyState> {
    const entry: TreeEntry | undefined = await this.#tree.entry(this.#root);
    const record = readKeyRecord(entry?.value);
    const revision = entry?.revision ?? 0;
    if (record !== undefined) return { record, revision };
    // Of a tree that was made before keys had a record.
    const [first] = await this.#sealed({});
    return { record: first && { current: first.sealed.key }, revision };
  }

  async #sealed(
    options: AbortOptions,
  ): Promise<{ readonly at: Path; readonly entry: TreeEntry; readonly sealed: Sealed }[]> {
    const root = this.#root;
    const entries = await this.#tree.walk(root, { minDepth: 1, ...options }).toArray();
    return entries.flatMap((entry) => {
      const { path, value } = entry;
      if (!isSealed(value)) return [];
      return [{ at: toPath(path.slice(root.length)), entry, sealed: value }];
    });
  }

  /** Anew where the key was changed, or first made, in the same moment. */
  async #contend<T>(work: () => Promise<T>): Promise<T> {
    return contend(async () => {
      try {
        return await work();
      } catch (error) {
        if (!BanyanError.has(error, "ENGINE_CONDITION")) throw error;
        throw new EngineError("ENGINE_CONFLICT", "the key was changed", { cause: error });
      }
    });
  }
}
