import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Tree } from "../tree/tree.ts";
import { type Refused, readRefused } from "../tree/users/refused.ts";

/** Something that was refused just now. */
export type Refusing = Omit<Refused, "first" | "last" | "count">;

/** How many are kept; the oldest make room. */
const KEPT = 1_000;
/** What is refused within so long is written together, and the same things as one. */
const EVERY_MS = 1_000;
/** Different ones that may wait to be written. Who causes more fills nothing with it. */
const MAX_WAITING = 100;

/** Keeps what was refused in the tree, below `.banyan.audit`: bounded, and seldom written. */
export class Audit implements AsyncDisposable {
  readonly #tree: Tree;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Map<string, Refused>();
  #lost = 0;
  #slot: number | undefined;
  #timer: Disposable | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(tree: Tree, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#tree = tree;
    this.#clock = clock;
    this.#log = log;
  }

  note(refusing: Refusing): void {
    const { user, from, operation, path, why } = refusing;
    const key = JSON.stringify([user, from, operation, path?.toString(), why]);
    const now = this.#clock.wall();
    const before = this.#waiting.get(key);
    if (before === undefined && this.#waiting.size >= MAX_WAITING) {
      this.#lost++;
      return;
    }
    const count = (before?.count ?? 0) + 1;
    this.#waiting.set(key, { ...refusing, first: before?.first ?? now, last: now, count });
    this.#timer ??= this.#clock.after(EVERY_MS, () => void this.flush());
  }

  /** Writes what waits. */
  flush(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#writing = this.#writing
      .then(() => this.#write())
      .catch((error: unknown) => {
        this.#log.error("what was refused could not be kept", { error: String(error) });
      });
    return this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
  }

  async #write(): Promise<void> {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    if (this.#lost > 0) this.#log.warn("more was refused than is kept", { lost: this.#lost });
    this.#lost = 0;
    if (all.length === 0) return;
    let slot = this.#slot ?? (await this.#behindNewest());
    for (const refused of all) {
      await this.#tree.set(this.#tree.system.audit.append(slot), refused);
      slot = (slot + 1) % KEPT;
    }
    this.#slot = slot;
  }

  async #behindNewest(): Promise<number> {
    let newest = { slot: -1, last: -Infinity };
    for (const { name, entry } of await this.#tree.list(this.#tree.system.audit).toArray()) {
      const last = readRefused(entry?.value)?.last ?? -Infinity;
      // Those that were written together have the same time; the one behind them is next.
      if (typeof name === "number" && last >= newest.last) newest = { slot: name, last };
    }
    return (newest.slot + 1) % KEPT;
  }
}
