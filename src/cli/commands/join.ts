import { hostname } from "node:os";
import { resolve } from "node:path";

import type { Command } from "commander";

import { CliError } from "../../base/errors.ts";
import { treeDirectory } from "../../node/open.ts";
import { placesOf } from "../../node/tree-folder.ts";
import { systemClock } from "../../base/clock.ts";
import type { Invite } from "../../tree/users/invites.ts";
import type { CommandContext } from "../context.ts";
import { ago, type Column } from "../output.ts";
import type { Act } from "../act.ts";
import { giveUnit } from "../unit.ts";
import { asAsked, durationArgument } from "../words.ts";

/** `banyan invite` and `banyan join`: the second machine. */
export function addJoinCommands(program: Command, act: Act): void {
  program
    .command("invite")
    .description("print the line by which another machine becomes a node of this tree, once")
    .option("-n, --name <name>", "the only name it may take")
    .option(
      "--for <time>",
      "how long the line holds, as 15m, 12h or 7d (default: 1h)",
      durationArgument,
    )
    .option("-l, --listen <url>", "have the hub listen there from now on, as tls://0.0.0.0:7800")
    .option("--host <host>", "what the other machine calls this one (default: an address of it)")
    .option("--list", "show the invitations there are instead")
    .option("--revoke <id>", "take one back instead")
    .action(act(inviteOne));

  program
    .command("join <line> [dir]")
    .description("make this machine a node of the tree that the line was printed for")
    .option("-n, --name <name>", "what it is called there (default: this machine's name)")
    .option("--systemd [file]", "print, or write, a unit by which systemd runs the node")
    .action(act(join));
}

interface InviteFlags {
  readonly name?: string;
  readonly for?: number;
  readonly listen?: string;
  readonly host?: string;
  readonly list?: boolean;
  readonly revoke?: string;
}

async function inviteOne(context: CommandContext, flags: InviteFlags): Promise<void> {
  const { output, signal } = context;
  const { Invites } = await import("../../tree/users/invites.ts");
  const { invite } = await import("../../node/invite.ts");
  const tree = await context.tree();
  const invites = new Invites(tree, systemClock);
  if (flags.list === true) {
    output.rows(await invites.list({ signal }), COLUMNS);
    return;
  }
  if (flags.revoke !== undefined) {
    if (await invites.remove(flags.revoke)) return;
    throw new CliError("CLI_NOT_FOUND", `there is no invitation ${flags.revoke}`);
  }
  const at = await reachable(context, flags);
  const { line, invite: made } = await asAsked(
    invite(tree, at, { forMs: flags.for, name: flags.name }),
  );
  if (at.isLoopback)
    output.note("only this machine can reach that address; see --listen and --host");
  output.note(
    `On the other machine, once, until ${new Date(made.expires).toLocaleString()}. Whoever has this line becomes a node:`,
  );
  if (output.format === "table" || output.format === "raw") output.value(`banyan join ${line}`);
  else output.value({ line, id: made.id, expires: made.expires, name: made.name ?? null });
}

async function reachable(
  { treeUrl, io, signal }: CommandContext,
  { listen, host }: InviteFlags,
): Promise<{ url: string; isLoopback: boolean }> {
  if (treeUrl?.startsWith("tls:") !== true) {
    const directory = await treeDirectory(treeUrl, { cwd: io.cwd });
    const { reachableAt } = await import("../../node/invite.ts");
    return reachableAt(placesOf(directory), { listen, host, signal });
  }
  if (listen !== undefined || host !== undefined) {
    throw new CliError("CLI_USAGE", "--listen and --host are for the machine of the hub itself");
  }
  const { parseNetworkUrl } = await import("../../node/network.ts");
  const { url, fingerprint } = parseNetworkUrl(treeUrl);
  if (fingerprint !== undefined) return { url: `${url}#${fingerprint}`, isLoopback: false };
  throw new CliError("CLI_USAGE", "the address of the tree needs # and the hub's fingerprint");
}

interface JoinFlags {
  readonly name?: string;
  readonly systemd?: string | true;
}

async function join(
  context: CommandContext,
  line: string,
  dir: string | undefined,
  { name = hostname().split(".")[0] ?? "node", systemd }: JoinFlags,
): Promise<void> {
  const { io, output, signal } = context;
  const directory = resolve(io.cwd, dir ?? context.folderUrl ?? ".");
  const { joinTree } = await import("../../node/join.ts");
  const { url, user } = await asAsked(joinTree(line, { directory, name, signal }));
  output.note(`${directory} has joined the tree at ${url.split("#", 1)[0]} as ${user}`);
  const args = ["-t", directory, "node", "run", "--name", user];
  if (systemd === undefined) {
    output.note(`run the node with: banyan ${args.join(" ")}`);
    return;
  }
  await giveUnit(context, { description: `Banyan node ${user}`, directory, args }, systemd);
}

const COLUMNS: readonly Column<Invite>[] = [
  { head: "id", cell: ({ id }) => id },
  { head: "for", cell: ({ name }) => name ?? "" },
  { head: "state", cell: ({ state }) => state },
  { head: "made", cell: ({ created }) => ago(created / 1000, Date.now()) },
  { head: "expires", cell: ({ expires }) => new Date(expires).toISOString() },
  { head: "used by", cell: ({ used }) => (used === undefined ? "" : `${used.name}, ${used.from}`) },
];
