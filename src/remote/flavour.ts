import type { TypeReader } from "./decoder.ts";
import type { Imported, ImportSource, ImportTable } from "./imports.ts";
import type { Incoming, Serving } from "./serving.ts";

/** What a session does otherwise whose references look like local objects. */
export interface Flavour {
  /** What stands here for something of the peer's. */
  createStub(imported: Imported): object;
  /** Reads what the peer tells of types. */
  createTypes(imports: ImportTable, source: ImportSource): TypeReader;
  /** Runs code of this side's that a message leads to, once all of the message is read. */
  soon(run: () => void): void;
  /** Serves what the peer asks for on behalf of a chain, now or later. */
  serve(incoming: Incoming, chain: number, serving: Serving): void;
}
