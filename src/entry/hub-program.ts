/** The process of a hub that was started on demand: `hub-program.cjs DIRECTORY IDLE_MS`, which hub.ts loads. */
import { BanyanError } from "../base/errors.ts";
import { runHub } from "../node/hub.ts";
import { HUB_REFUSED } from "../node/hub-connect.ts";
import { fileLog } from "../node/file-log.ts";
import { stopController } from "./stop.ts";

const [directory = ".", idle = "10000"] = process.argv.slice(2);
const { signal } = stopController();
const log = fileLog(process.stderr);

// A function: as CommonJS, which the bundle is, nothing can be awaited out here.
async function main(): Promise<never> {
  try {
    const end = await runHub({
      directory,
      idleMs: Number(idle),
      signal,
      log,
      onReady: ({ socket }) => log.info("the hub is ready", { socket }),
    });
    if (end === "present") log.info("there is a hub already");
    process.exit(end === "failed" ? 1 : 0);
  } catch (error) {
    log.error(error instanceof Error ? error.message : String(error));
    process.exit(BanyanError.has(error, "NODE_TREE_IN_USE") ? HUB_REFUSED : 1);
  }
}

void main();
