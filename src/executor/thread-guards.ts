import type { OwnerApi } from "./thread-protocol.ts";
import type { ThreadRun } from "./thread-run.ts";

/**
 * The owner must know whose `process.exit()` it was. What is left of a run that has ended can't be held
 * to account any more, so it can't end the thread of the others either.
 */
export function guardExit(current: () => ThreadRun | undefined): void {
  const exit = process.exit.bind(process);
  process.exit = (code) => {
    const run = current();
    if (run?.ended === true) {
      throw new Error("process.exit() does nothing: the run that it belongs to has ended");
    }
    run?.exits(Number(code ?? process.exitCode ?? 0));
    return exit(code);
  };
}

/** What nobody caught is a failure of the run it belongs to, as long as that is under way. */
export function guardUncaught(current: () => ThreadRun | undefined, owner: OwnerApi): void {
  const report = (error: unknown): void => {
    const run = current();
    if (run === undefined) owner.fatal(error);
    else if (run.ended) owner.warn(`"${run.name}" had ended when part of it threw`, error);
    else run.fail(error);
  };
  process.on("uncaughtException", report);
  process.on("unhandledRejection", report);
}
