import type { OpenShipment } from "./link.ts";
import type { Shipment } from "./unit.ts";

/** So many procedures a thread keeps linked. */
const MAX_OPEN = 256;

/**
 * What a thread that runs one thing after the other keeps linked in between, so that modules keep their
 * state: of each procedure the version that was run last.
 */
export class OpenShipments {
  readonly #link: (shipment: Shipment) => Promise<OpenShipment>;
  /** The one that was used last is at the end. */
  readonly #open = new Map<string, { readonly key: string; readonly opened: OpenShipment }>();

  constructor(link: (shipment: Shipment) => Promise<OpenShipment>) {
    this.#link = link;
  }

  /** How many are kept. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Links it, unless it is. Owned by this; valid until another version of it is opened.
   *
   * @throws CodeError what is wrong with it or with what it imports
   */
  async open(shipment: Shipment): Promise<OpenShipment> {
    const { id, key, resolveFrom } = shipment;
    const slot = `${resolveFrom} ${id}`;
    const known = this.#open.get(slot);
    if (known?.key === key) {
      this.#keep(slot, known);
      return known.opened;
    }
    // Before the old one goes: what both import stays as it is.
    const opened = await this.#link(shipment);
    known?.opened[Symbol.dispose]();
    this.#keep(slot, { key, opened });
    for (const [oldest, { opened: unused }] of this.#open) {
      if (this.#open.size <= MAX_OPEN) break;
      this.#open.delete(oldest);
      unused[Symbol.dispose]();
    }
    return opened;
  }

  #keep(slot: string, open: { readonly key: string; readonly opened: OpenShipment }): void {
    this.#open.delete(slot);
    this.#open.set(slot, open);
  }
}
