import { RemoteError } from "../base/errors.ts";
import type { RemoteResult } from "../remote/types.ts";

/** What either side of a gateway offers to the program that runs on it: `channel.gateway`. */
export interface GatewaySide {
  readonly id: string;
  /**
   * What the other side offers under `name`, to be used at once or awaited.
   *
   * @throws by the promise RemoteError `REMOTE_NOT_FOUND`, with the names there are
   */
  remote<T>(name: string): RemoteResult<T, "copy">;
  /** What the other side offers. */
  names(): Promise<string[]>;
  /** Offers an object to the other side, as a reference; `undefined` takes it back. */
  expose(name: string, object: unknown): void;
}

/** The objects that one side offers by name. */
export class NamedObjects {
  readonly #objects = new Map<string, unknown>();

  set(name: string, object: unknown): void {
    if (object === undefined) this.#objects.delete(name);
    else this.#objects.set(name, object);
  }

  names(): string[] {
    return [...this.#objects.keys()];
  }

  /** @throws RemoteError `REMOTE_NOT_FOUND` */
  get(name: string): unknown {
    const found = this.#objects.get(name);
    if (found !== undefined) return found;
    const names = this.names();
    throw new RemoteError(
      "REMOTE_NOT_FOUND",
      `nothing is offered as ${JSON.stringify(name)}; there is ${names.join(", ") || "nothing"}`,
      { details: { name, names } },
    );
  }
}
