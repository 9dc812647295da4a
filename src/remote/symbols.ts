import { RemoteError } from "../base/errors.ts";

/** A symbol that crossed is known for as long as the session: there is no telling when it is forgotten. */
const MAX_SYMBOLS = 4_096;
const MAX_DESCRIPTION = 256;

/** Symbols that exist on one side only: on the other, one symbol stands for each. */
export class UniqueSymbols {
  readonly #sent = new Map<symbol, number>();
  readonly #byId: symbol[] = [];
  readonly #received = new Map<number, symbol>();
  readonly #origins = new Map<symbol, number>();

  /** The number under which one of ours crosses. @throws RemoteError `REMOTE_LIMIT` */
  send(symbol: symbol): number {
    const known = this.#sent.get(symbol);
    if (known !== undefined) return known;
    checkRoom(this.#byId.length);
    this.#byId.push(symbol);
    this.#sent.set(symbol, this.#byId.length - 1);
    return this.#byId.length - 1;
  }

  /** The peer's number of a symbol that came from there. */
  originOf(symbol: symbol): number | undefined {
    return this.#origins.get(symbol);
  }

  /** What stands here for one of the peer's. @throws RemoteError `REMOTE_LIMIT` */
  receive(id: number, description: string): symbol {
    let symbol = this.#received.get(id);
    if (symbol === undefined) {
      checkRoom(this.#received.size);
      if (description.length > MAX_DESCRIPTION) {
        const says = `a symbol is described by ${description.length} characters`;
        throw new RemoteError("REMOTE_LIMIT", says);
      }
      symbol = Symbol(description);
      this.#received.set(id, symbol);
      this.#origins.set(symbol, id);
    }
    return symbol;
  }

  /** One of ours that comes home; `undefined` for one that never left. */
  home(id: number): symbol | undefined {
    return this.#byId[id];
  }
}

/** What is told of a symbol besides its number. */
export function describeSymbol(symbol: symbol): string {
  return (symbol.description ?? "").slice(0, MAX_DESCRIPTION);
}

function checkRoom(size: number): void {
  if (size < MAX_SYMBOLS) return;
  throw new RemoteError("REMOTE_LIMIT", `${MAX_SYMBOLS} symbols have crossed already`);
}
