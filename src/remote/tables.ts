import { IdTable } from "../base/id-table.ts";
import type { Call } from "./call.ts";
import { KnownErrors } from "./errors.ts";
import { ExportTable } from "./exports.ts";
import { type Imported, ImportTable } from "./imports.ts";
import { PromiseTable, type Report } from "./promises.ts";
import { SignalTable } from "./signals.ts";
import { UniqueSymbols } from "./symbols.ts";

/** What crossed a session and is alive on either side because of it. */
export class Tables {
  readonly exports: ExportTable;
  readonly imports: ImportTable;
  readonly promises: PromiseTable;
  readonly signals: SignalTable;
  readonly errors: KnownErrors = new KnownErrors();
  readonly symbols: UniqueSymbols = new UniqueSymbols();
  /** Requests of ours that wait for an answer, by number. */
  readonly pending: IdTable<Call> = new IdTable();
  /** Those that nobody here waits for any more, and that may be answered yet. */
  readonly givenUp: Set<number> = new Set();

  constructor(
    root: object,
    maxExports: number,
    on: {
      readonly collected: (imported: Imported) => void;
      readonly settled: Report;
      readonly aborted: (id: number, reason: unknown) => void;
    },
  ) {
    this.exports = new ExportTable(root, maxExports);
    this.imports = new ImportTable(on.collected);
    this.promises = new PromiseTable(maxExports, on.settled);
    this.signals = new SignalTable(maxExports, on.aborted);
  }

  /** The session is over: everything that waits fails with this one error, and nothing is held. */
  clear(error: Error): void {
    const calls = this.pending.values();
    this.pending.clear();
    this.givenUp.clear();
    for (const call of calls) call.fail(error);
    this.promises.clear(error);
    this.signals.clear(error);
    this.exports.clear();
    this.imports.clear();
  }
}
