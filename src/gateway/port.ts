import { byRef } from "../remote/by-value.ts";
import type { ChannelTable } from "./channel-table.ts";
import type { NamedObjects } from "./side.ts";

/** The name under which each side exports its port to the other. */
export const PORT = "gateway";

/** What a side lets the other call, whatever the session's policy: methods only, and nothing beyond. */
export class GatewayPort {
  readonly #channels: ChannelTable;
  readonly #objects: NamedObjects;

  constructor(channels: ChannelTable, objects: NamedObjects) {
    this.#channels = channels;
    this.#objects = objects;
  }

  item(id: number, boxed: readonly [unknown]): unknown {
    return this.#channels.item(id, boxed[0]);
  }

  end(id: number, error: Error | undefined): void {
    this.#channels.endedThere(id, error);
  }

  named(name: string): unknown {
    return byRef(this.#objects.get(name));
  }

  names(): string[] {
    return this.#objects.names();
  }
}
