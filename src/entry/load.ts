/**
 * The loader's process: `load.js DIRECTORY TREE [--watch]`. It brings a directory of procedures,
 * modules, jobs and data into the tree, and tells people of errors that anyone records there.
 */
import { exitCodeOf } from "../cli/exit-codes.ts";
import { consoleLog } from "../cli/log.ts";
import { DirectoryLoader, type LoadCounts } from "../node/load-directory.ts";
import { open } from "../node/open.ts";
import { onSupervisorGone } from "../node/supervise.ts";
import { followErrors } from "../node/follow-errors.ts";
import { stopController } from "./stop.ts";

const [directory = ".", url = ".", ...flags] = process.argv.slice(2);
const log = consoleLog("load");
const controller = stopController();
const { signal } = controller;
onSupervisorGone(() => controller.abort(new Error("the supervisor is gone")));

try {
  await using tree = await open(url, { author: "load", signal });
  const loader = await DirectoryLoader.open({ directory, tree, log, signal });
  const tell = ({ loaded, failed }: LoadCounts): void =>
    log.info(`${loaded} files loaded${failed === 0 ? "" : `, ${failed} failed`}`);
  if (flags.includes("--watch")) {
    const errors = followErrors(tree, { log, signal });
    await loader.follow(tell);
    await errors;
  } else {
    tell(await loader.load());
  }
} catch (error) {
  if (!signal.aborted) {
    log.error(error instanceof Error ? error.message : String(error));
    process.exitCode = exitCodeOf(error);
  }
}
