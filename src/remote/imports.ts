import { RemoteError } from "../base/errors.ts";
import type { Caller } from "./call.ts";

/** What is known of a thing from its reference alone. */
export const Shape = { object: 0, function: 1, constructor: 2 } as const;
export type Shape = (typeof Shape)[keyof typeof Shape];

/** One object or function of the peer's that we hold. */
export class Imported {
  readonly caller: Caller;
  readonly id: number;
  readonly shape: Shape;
  /** How often the peer has sent it: what is given back when it is released. */
  count = 0;
  released = false;

  constructor(caller: Caller, id: number, shape: Shape) {
    this.caller = caller;
    this.id = id;
    this.shape = shape;
  }

  releasedError(): RemoteError {
    return new RemoteError(
      "REMOTE_RELEASED",
      `reference #${this.id} was released; ask for the object again`,
    );
  }
}

interface Entry {
  readonly imported: Imported;
  readonly stub: WeakRef<object>;
}

/**
 * What we hold of the peer's. One stub stands for one object as long as anybody here holds the stub;
 * once it is collected, `onCollected` gives the references back.
 */
export class ImportTable {
  readonly #entries = new Map<number, Entry>();
  readonly #collected: FinalizationRegistry<Imported>;

  constructor(onCollected: (imported: Imported) => void) {
    this.#collected = new FinalizationRegistry(onCollected);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Counts one more reference that arrived; `create` makes the stub where there is none. */
  receive(id: number, create: () => { imported: Imported; stub: object }): object {
    const known = this.#entries.get(id);
    const living = known?.stub.deref();
    if (known !== undefined && living !== undefined) {
      known.imported.count++;
      return living;
    }
    // A stub that is collected, but not yet reported: its own references go back on their own.
    const { imported, stub } = create();
    imported.count = 1;
    this.#entries.set(id, { imported, stub: new WeakRef(stub) });
    this.#collected.register(stub, imported, imported);
    return stub;
  }

  /** The stub for `id`, if anybody still holds it. */
  get(id: number): object | undefined {
    return this.#entries.get(id)?.stub.deref();
  }

  /** Takes it out of the table. False where it was released before. */
  release(imported: Imported): boolean {
    if (imported.released) return false;
    imported.released = true;
    this.#collected.unregister(imported);
    if (this.#entries.get(imported.id)?.imported === imported) this.#entries.delete(imported.id);
    return true;
  }

  clear(): void {
    for (const { imported } of this.#entries.values()) this.release(imported);
  }
}
