import { WireError } from "../base/errors.ts";
import type { Reader } from "../wire/reader.ts";
import type { Writer } from "../wire/writer.ts";
import { describeSymbol, type UniqueSymbols } from "./symbols.ts";

const Scalar = {
  wellKnownSymbol: 0,
  registeredSymbol: 1,
  regExp: 2,
  url: 3,
  /** The sender's number, description. */
  uniqueSymbol: 4,
  /** The receiver's number of one of its own. */
  symbolHome: 5,
} as const;

/** By their numbers on the wire. */
export const WELL_KNOWN = [
  "asyncIterator",
  "hasInstance",
  "isConcatSpreadable",
  "iterator",
  "match",
  "matchAll",
  "replace",
  "search",
  "species",
  "split",
  "toPrimitive",
  "toStringTag",
  "unscopables",
  "dispose",
  "asyncDispose",
] as const satisfies readonly (keyof SymbolConstructor)[];

/** What the engine itself makes no difference of, if its class is the plain one. */
export function isScalar(value: object): value is RegExp | URL {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    (prototype === RegExp.prototype && value instanceof RegExp) ||
    (prototype === URL.prototype && value instanceof URL)
  );
}

/** False, with something written all the same, for what is no scalar. */
export function writeScalar(
  writer: Writer,
  value: unknown,
  symbols: RegisteredSymbols,
  unique: UniqueSymbols,
): boolean {
  if (typeof value === "symbol") {
    writeSymbol(writer, value, symbols, unique);
    return true;
  }
  if (value instanceof RegExp) {
    writer.u8(Scalar.regExp);
    writer.string(value.source);
    writer.string(value.flags);
    writer.varint(Math.min(Math.max(Math.floor(value.lastIndex), 0), 2 ** 32));
    return true;
  }
  if (!(value instanceof URL)) return false;
  writer.u8(Scalar.url);
  writer.string(value.href);
  return true;
}

/** What a registered symbol takes is never freed: no peer may make this process hold more of them. */
const MAX_REGISTERED = 4_096;
const MAX_REGISTERED_LENGTH = 1_024;

/** The registered symbols that crossed in one direction: both sides keep to the limits. */
export class RegisteredSymbols {
  readonly #names = new Set<string>();

  /** @throws WireError `WIRE_LIMIT` */
  named(name: string): symbol {
    if (!this.#names.has(name)) {
      if (this.#names.size >= MAX_REGISTERED || name.length > MAX_REGISTERED_LENGTH) {
        throw new WireError("WIRE_LIMIT", "a registered symbol too many, or too long");
      }
      this.#names.add(name);
    }
    return Symbol.for(name);
  }
}

/** @throws WireError `WIRE_MALFORMED`, `WIRE_LIMIT` */
export function readScalar(
  reader: Reader,
  symbols: RegisteredSymbols,
  unique: UniqueSymbols,
): symbol | RegExp | URL {
  switch (reader.u8()) {
    case Scalar.wellKnownSymbol:
      return Symbol[WELL_KNOWN[reader.u8()] ?? malformed("a symbol")];
    case Scalar.registeredSymbol:
      return symbols.named(reader.string());
    case Scalar.uniqueSymbol:
      return unique.receive(reader.varint(), reader.string());
    case Scalar.symbolHome:
      return unique.home(reader.varint()) ?? malformed("a symbol that left this side");
    case Scalar.regExp:
      return readRegExp(reader);
    case Scalar.url:
      return readUrl(reader);
    default:
      return malformed("a scalar");
  }
}

function writeSymbol(
  writer: Writer,
  symbol: symbol,
  symbols: RegisteredSymbols,
  unique: UniqueSymbols,
): void {
  const registered = Symbol.keyFor(symbol);
  if (registered !== undefined) {
    symbols.named(registered);
    writer.u8(Scalar.registeredSymbol);
    writer.string(registered);
    return;
  }
  const known = WELL_KNOWN.findIndex((name) => Symbol[name] === symbol);
  if (known < 0) {
    writeUnique(writer, symbol, unique);
    return;
  }
  writer.u8(Scalar.wellKnownSymbol);
  writer.u8(known);
}

function writeUnique(writer: Writer, symbol: symbol, unique: UniqueSymbols): void {
  const origin = unique.originOf(symbol);
  writer.u8(origin === undefined ? Scalar.uniqueSymbol : Scalar.symbolHome);
  writer.varint(origin ?? unique.send(symbol));
  if (origin === undefined) writer.string(describeSymbol(symbol));
}

function readRegExp(reader: Reader): RegExp {
  const source = reader.string();
  const flags = reader.string();
  const lastIndex = reader.varint();
  try {
    const expression = new RegExp(source, flags);
    expression.lastIndex = lastIndex;
    return expression;
  } catch {
    return malformed("a regular expression");
  }
}

function readUrl(reader: Reader): URL {
  try {
    return new URL(reader.string());
  } catch {
    return malformed("a URL");
  }
}

function malformed(what: string): never {
  throw new WireError("WIRE_MALFORMED", `the bytes are not ${what}`);
}
