import type { Clock } from "../base/clock.ts";
import type { TreeEntry } from "../tree/entry.ts";
import type { Mirror } from "../tree/mirror.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Path } from "../wire/path.ts";
import { unitId } from "./unit.ts";

/** What arrived, by id; `undefined` for what was deleted. */
export type CodeChanges = ReadonlyMap<string, TreeEntry | undefined>;

export interface IncomingOptions {
  readonly clock: Clock;
  /** Changes that arrive within this time of the first of them are handed over together. */
  readonly collectMs: number;
  readonly onChanges: (changes: CodeChanges) => void;
}

/** Collects the changes to stored code that a mirror hears of. Begins with all that is there. */
export class IncomingCode implements Disposable {
  readonly #mirror: Mirror;
  readonly #options: IncomingOptions;
  readonly #subscription: Disposable;
  #pending = new Map<string, TreeEntry | undefined>();
  #timer: Disposable | undefined;

  constructor(mirror: Mirror, options: IncomingOptions) {
    this.#mirror = mirror;
    this.#options = options;
    this.#subscription = mirror.subscribe(({ changes }) => {
      for (const change of changes) {
        this.#note(change.path, change.type === "put" ? change.entry : undefined);
      }
      if (this.#pending.size === 0) return;
      this.#timer ??= options.clock.after(options.collectMs, () => this.flush());
    });
    for (const entry of mirror.entries()) this.#note(entry.path, entry);
  }

  /** Hands over now what has arrived. */
  flush(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#pending.size === 0) return;
    const changes = this.#pending;
    this.#pending = new Map();
    this.#options.onChanges(changes);
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
    this.#pending.clear();
  }

  #note(path: Path, entry: TreeEntry | undefined): void {
    const [kind, ...name] = path.slice(this.#mirror.path.length);
    // Other things may be kept beside procedures and modules; a name is never empty.
    if ((kind !== "proc" && kind !== "module") || name.length === 0) return;
    this.#pending.set(unitId(kind, formatPath(name)), entry);
  }
}
