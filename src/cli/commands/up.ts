import type { Command } from "commander";

import { onAbort } from "../../base/abort.ts";
import { NodeError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { connectHub } from "../../node/hub-connect.ts";
import { checkListenUrl, writeListening } from "../../node/listening.ts";
import { treeDirectory } from "../../node/open.ts";
import { placesOf } from "../../node/tree-folder.ts";
import type { CommandContext } from "../context.ts";
import type { Act } from "../act.ts";
import { consoleLog } from "../log.ts";
import { giveUnit } from "../unit.ts";

/** `banyan up`: the hub in the foreground, and where hubs listen. */
export function addUpCommand(program: Command, act: Act): void {
  program
    .command("up")
    .description(
      "keep the hub of a tree running in the foreground; makes the tree if there is none",
    )
    .option(
      "-l, --listen <url...>",
      "also on the network, as tls://0.0.0.0:7800; kept with the tree for every hub to come",
    )
    .option("--no-listen", "no longer on the network")
    .option("--systemd [file]", "print, or write, a unit by which systemd does that")
    .action(act(up));
}

async function up(
  context: CommandContext,
  { listen, systemd }: { listen?: readonly string[] | boolean; systemd?: string | true },
): Promise<void> {
  const urls = Array.isArray(listen) ? listen.map((url) => checkListenUrl(String(url))) : undefined;
  const directory = await treeDirectory(context.folderUrl, {
    create: context.mayCreate,
    cwd: context.io.cwd,
  });
  if (urls !== undefined) await writeListening(placesOf(directory), urls);
  else if (listen === false) await writeListening(placesOf(directory), []);
  if (systemd !== undefined) {
    const description = `Banyan hub of ${directory}`;
    await giveUnit(context, { description, directory, args: ["-t", directory, "up"] }, systemd);
    return;
  }
  const log = consoleLog("hub");
  const { runHub } = await import("../../node/hub.ts");
  for (;;) {
    const end = await runHub({
      directory,
      secretKeyFile: context.keyFile,
      idleMs: Infinity,
      log,
      signal: context.signal,
      onReady: ({ socket }) => context.output.note(`hub of ${directory} at ${socket}`),
    });
    if (end === "asked") return;
    if (end !== "present" && end !== "deposed") {
      throw new NodeError("NODE_HUB_FAILED", `the hub of ${directory} ended: ${end}`);
    }
    await standBy(directory, context, log);
  }
}

/** Somebody else's hub serves the tree: keeps it from ending for want of use, until it is gone. */
async function standBy(directory: string, context: CommandContext, log: Log): Promise<void> {
  log.info(`there is a hub for ${directory} already; standing by`);
  const session = await connectHub(directory, { signal: context.signal });
  const asked = onAbort(context.signal, () => void session.close());
  await session.closed;
  asked[Symbol.dispose]();
  context.signal.throwIfAborted();
}
