import { RemoteError } from "../base/errors.ts";
import { IdTable } from "../base/id-table.ts";
import type { Caller } from "./call.ts";
import type { RemoteType } from "./remote-type.ts";
import type { ReferenceScope } from "./scopes.ts";
import { suggestCollection } from "./suggest-collection.ts";

/** With so many references, and each time there are twice as many, it is looked which are in use. */
const FIRST_SUGGESTION = 65_536;

/** What is known of a thing from its reference alone. */
export const Shape = { object: 0, function: 1, constructor: 2, array: 3 } as const;
export type Shape = (typeof Shape)[keyof typeof Shape];

/** One object or function of the peer's that we hold. */
export class Imported {
  readonly caller: Caller;
  readonly id: number;
  readonly shape: Shape;
  /** How often the peer has sent it: what is given back when it is released. */
  count = 0;
  released = false;
  /** Its class; of a reference to a class, that of its instances. Where it was told. */
  type: RemoteType | undefined;
  /** What stands for it here. */
  stub: WeakRef<object> | undefined;

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

/** Makes what stands here for something of the peer's. */
export interface ImportSource {
  createImported(id: number, shape: Shape): Imported;
  createStub(imported: Imported): object;
}

/**
 * What we hold of the peer's. One stub stands for one object as long as anybody here holds the stub;
 * once it is collected, `onCollected` gives the references back.
 */
export class ImportTable {
  /** Gets to know of what is new, while an answer is read. */
  scope: ReferenceScope | undefined;
  readonly #entries = new IdTable<Imported>();
  readonly #collected: FinalizationRegistry<Imported>;
  #suggestAt = FIRST_SUGGESTION;
  /** Set while something is read that nobody wants. */
  #received: Imported[] | undefined;

  constructor(onCollected: (imported: Imported) => void) {
    this.#collected = new FinalizationRegistry(onCollected);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Counts one more reference that arrived; `source` makes what stands for it where there is nothing. */
  receive(id: number, shape: Shape, source: ImportSource, type?: RemoteType): object {
    const known = this.#entries.get(id);
    const living = known?.stub?.deref();
    if (known !== undefined && living !== undefined) {
      known.count++;
      this.#received?.push(known);
      return living;
    }
    // A stub that is collected, but not yet reported: its own references go back on their own.
    const imported = source.createImported(id, shape);
    const stub = source.createStub(imported);
    imported.type = type;
    imported.count = 1;
    this.#received?.push(imported);
    imported.stub = new WeakRef(stub);
    this.scope?.add(imported);
    this.#entries.set(id, imported);
    // Never unregistered: that costs more for each reference than one needless call for some.
    this.#collected.register(stub, imported);
    if (this.#entries.size >= this.#suggestAt) {
      this.#suggestAt *= 2;
      suggestCollection();
    }
    return stub;
  }

  /** Reads what nobody wants any more; `giveBack` hears of each reference that was in it. */
  discard(read: () => void, giveBack: (id: number) => void): void {
    const received: Imported[] = [];
    this.#received = received;
    try {
      read();
    } finally {
      this.#received = undefined;
    }
    for (const imported of received) {
      if (imported.released) continue;
      giveBack(imported.id);
      if (--imported.count === 0) this.release(imported);
    }
  }

  /** Reads what stays here as long as the session does, in whatever it comes. */
  retain<T>(read: () => T): T {
    const received = this.#received;
    this.#received = undefined;
    try {
      return read();
    } finally {
      this.#received = received;
    }
  }

  /** The stub for `id`, if anybody still holds it. */
  get(id: number): object | undefined {
    return this.#entries.get(id)?.stub?.deref();
  }

  /** Takes it out of the table. False where it was released before. */
  release(imported: Imported): boolean {
    if (imported.released) return false;
    imported.released = true;
    imported.stub = undefined;
    if (this.#entries.get(imported.id) === imported) this.#entries.take(imported.id);
    if (this.#entries.size * 4 < this.#suggestAt) this.#suggestAt = FIRST_SUGGESTION;
    return true;
  }

  clear(): void {
    for (const imported of this.#entries.values()) this.release(imported);
  }
}
