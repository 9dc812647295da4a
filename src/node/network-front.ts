import type { Log } from "../base/log.ts";
import type { Channel, Listener } from "../channel/channel.ts";
import { type HubCertificate, hubCertificate } from "./certificate.ts";
import { readListening } from "./listening.ts";
import type { TreePlaces } from "./tree-folder.ts";

/** Where a hub can be reached over a network, and by what it is known. */
export interface NetworkAddress {
  /** As it was bound: `tls://host:port`. */
  readonly url: string;
  readonly fingerprint: string;
}

export interface NetworkFrontOptions {
  readonly places: TreePlaces;
  readonly log: Log;
  /** Gets each connection, with the address that it comes from. */
  readonly onChannel: (channel: Channel, from: string) => void;
  /** What is let through before it is known who it is; larger values belong to those who are known. */
  readonly maxMessageBytes: number;
}

interface Open {
  readonly listener: Listener;
  readonly address: NetworkAddress;
}

/**
 * The hub's listeners on the network: as many as `.banyan/listen.json` asks for at each moment. What
 * can't be bound is tried again with each look: the hub before may still hold the port.
 */
export class NetworkFront {
  readonly #options: NetworkFrontOptions;
  readonly #open = new Map<string, Open>();
  /** What was said of an address last, so that it is said once. */
  readonly #failed = new Map<string, string>();
  #closed = false;
  #looking: Promise<boolean> | undefined;

  constructor(options: NetworkFrontOptions) {
    this.#options = options;
  }

  get addresses(): readonly NetworkAddress[] {
    return Array.from(this.#open.values(), ({ address }) => address);
  }

  /** Does what the file asks for. @returns whether the addresses are others than before */
  look(): Promise<boolean> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#looking;
    for (const url of this.#open.keys()) await this.#end(url);
  }

  async #look(): Promise<boolean> {
    const { places, log } = this.#options;
    let wanted: readonly string[];
    try {
      wanted = await readListening(places);
      this.#failed.delete(places.listening);
    } catch (error) {
      // What it said before goes on to hold.
      this.#complain(places.listening, error);
      return false;
    }
    let changed = false;
    for (const url of this.#open.keys()) {
      if (wanted.includes(url)) continue;
      await this.#end(url);
      log.info(`no longer listening on ${url}`);
      changed = true;
    }
    for (const url of wanted) {
      if (!this.#open.has(url) && !this.#closed) changed = (await this.#begin(url)) || changed;
    }
    return changed;
  }

  async #begin(url: string): Promise<boolean> {
    const { places, log, onChannel, maxMessageBytes } = this.#options;
    try {
      const certificate: HubCertificate = await hubCertificate(places);
      const { listenTls } = await import("../channel/tls.ts");
      const listener = await listenTls(url, onChannel, {
        tls: { key: certificate.key, cert: certificate.cert },
        limits: { maxMessageBytes },
        public: true,
      });
      const address = { url: listener.address, fingerprint: certificate.fingerprint };
      this.#open.set(url, { listener, address });
      this.#failed.delete(url);
      log.info(`listening on ${address.url}#${address.fingerprint}`);
      return true;
    } catch (error) {
      this.#complain(url, error);
      return false;
    }
  }

  async #end(url: string): Promise<void> {
    const open = this.#open.get(url);
    this.#open.delete(url);
    await open?.listener.close();
  }

  #complain(of: string, error: unknown): void {
    const says = error instanceof Error ? error.message : String(error);
    if (this.#failed.get(of) === says) return;
    this.#failed.set(of, says);
    this.#options.log.error(says);
  }
}
