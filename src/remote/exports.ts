import { RemoteError } from "../base/errors.ts";
import { IdTable } from "../base/id-table.ts";
import { ROOT_ID } from "./protocol.ts";

/** Something that wants to know when a peer that held it holds it no more. */
export class Lent {
  readonly #onReleased: () => void;

  constructor(onReleased: () => void) {
    this.#onReleased = onReleased;
  }

  /** Static, for the peer can call every method of an instance. */
  static released(object: object): void {
    if (#onReleased in object) object.#onReleased();
  }
}

const RENEW_AFTER = 1_000;

/** One object or function of ours that the peer holds. */
export interface Exported {
  readonly id: number;
  readonly object: object;
  /** How often it was sent, less what the peer gave back. */
  count: number;
}

/**
 * What the peer holds of ours, kept alive until it gives back as many references as it was sent. Ids
 * count up and are never used again, so that an old one can't reach a new object.
 */
export class ExportTable {
  readonly #root: object;
  readonly #limit: number;
  readonly #byId = new IdTable<Exported>();
  #byObject = new Map<object, Exported>();
  /** How often that was empty again since it was made. */
  #emptied = 0;
  #lastId = ROOT_ID;

  /** `root` is what the peer reaches without having been sent it. */
  constructor(root: object, limit: number) {
    this.#root = root;
    this.#limit = limit;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Whether there is more room than has to be left for what is asked for. */
  get hasRoomForMore(): boolean {
    return this.#byId.size * 4 < this.#limit;
  }

  /**
   * Counts one more reference on its way to the peer.
   *
   * @throws RemoteError `REMOTE_LIMIT`
   */
  export(object: object): Exported {
    let entry = this.#byObject.get(object);
    if (entry === undefined) {
      if (this.#byId.size >= this.#limit) {
        throw new RemoteError(
          "REMOTE_LIMIT",
          `the peer holds ${this.#limit} references already; release some, or raise maxExports`,
        );
      }
      entry = { id: ++this.#lastId, object, count: 0 };
      this.#byId.set(entry.id, entry);
      this.#byObject.set(object, entry);
    }
    entry.count++;
    return entry;
  }

  /** `undefined` where the peer holds nothing under that id. */
  get(id: number): object | undefined {
    return id === ROOT_ID ? this.#root : this.#byId.get(id)?.object;
  }

  /** Takes back references; false where the peer never had so many. */
  release(id: number, times: number): boolean {
    const entry = this.#byId.get(id);
    if (entry === undefined || times < 1 || times > entry.count) return false;
    entry.count -= times;
    if (entry.count === 0) this.#drop(entry);
    return true;
  }

  clear(): void {
    for (const entry of this.#byId.values()) this.#drop(entry);
  }

  /**
   * A Map makes new tables of itself as entries come and go, and each keeps the next reachable: once
   * one is old, quick collections hold on to all of them.
   */
  #renew(): void {
    this.#byObject = new Map();
    this.#emptied = 0;
  }

  #drop(entry: Exported): void {
    this.#byId.take(entry.id);
    this.#byObject.delete(entry.object);
    if (this.#byObject.size === 0 && ++this.#emptied >= RENEW_AFTER) this.#renew();
    Lent.released(entry.object);
  }
}
