import type { Mirror } from "../tree/mirror.ts";
import type { Tree } from "../tree/tree.ts";
import type { TreeEntry } from "../tree/entry.ts";
import { Path } from "../wire/path.ts";
import { firstFailure } from "./first-failure.ts";
import { ANY_SLOT } from "./job.ts";

/** Names one job in one slot. */
export interface SlotPath {
  readonly slot: string;
  readonly path: Path;
}

/** What a node needs to know of `.banyan.<kind>.<slot>`: the slot of all nodes, and its own. */
export class SlotMirror implements AsyncDisposable {
  /** Resolves with the error, if it can't follow the tree any more. */
  readonly failed: Promise<unknown>;
  readonly #root: Path;
  readonly #mirrors: ReadonlyMap<string, Mirror>;
  readonly #subscriptions: Disposable[] = [];

  private constructor(root: Path, mirrors: ReadonlyMap<string, Mirror>) {
    this.#root = root;
    this.#mirrors = mirrors;
    this.failed = firstFailure(mirrors.values());
  }

  static async open(tree: Tree, root: Path, node: string): Promise<SlotMirror> {
    const mirrors = new Map<string, Mirror>();
    try {
      for (const slot of [ANY_SLOT, node]) mirrors.set(slot, await tree.mirror(root.append(slot)));
    } catch (error) {
      for (const mirror of mirrors.values()) await mirror.close();
      throw error;
    }
    return new SlotMirror(root, mirrors);
  }

  /** Where an entry is stored. */
  at({ slot, path }: SlotPath): Path {
    return this.#root.concat([slot, ...path]);
  }

  entry(at: SlotPath): TreeEntry | undefined {
    return this.#mirrors.get(at.slot)?.entry(this.at(at));
  }

  /** Every change of the slot up to this one is known. */
  revision(slot: string): number {
    return this.#mirrors.get(slot)?.revision ?? 0;
  }

  /** What there is, in both slots. */
  *places(): IterableIterator<SlotPath> {
    for (const [slot, mirror] of this.#mirrors) {
      for (const entry of mirror.entries()) yield this.#place(slot, entry.path);
    }
  }

  onChange(listener: (at: SlotPath) => void): void {
    for (const [slot, mirror] of this.#mirrors) {
      const subscription = mirror.subscribe(({ changes }) => {
        for (const change of changes) listener(this.#place(slot, change.path));
      });
      this.#subscriptions.push(subscription);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    for (const mirror of this.#mirrors.values()) await mirror.close();
  }

  #place(slot: string, at: Path): SlotPath {
    return { slot, path: Path.fromElements(at.slice(this.#root.length + 1)) };
  }
}
