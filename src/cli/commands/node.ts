import { hostname } from "node:os";

import { Option, type Command } from "commander";

import { CliError } from "../../base/errors.ts";
import { isName, NAME_TEXT } from "../../runner/names.ts";
import { listNodes, removeNode } from "../../node/on-use.ts";
import type { NodeListing } from "../../runner/roster.ts";
import type { CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { consoleLog } from "../log.ts";
import { ago, type Column } from "../output.ts";
import type { Act } from "../act.ts";

const TYPES = ["single", "any", "all"] as const;
/** A thread that runs nothing holds 10 MB. */
const MIN_MEMORY_MB = 32;
type RunType = (typeof TYPES)[number];

/** `banyan node`: the processes that run jobs. */
export function addNodeCommands(program: Command, act: Act): void {
  const node = program.command("node").description("nodes: the processes that run jobs");

  node
    .command("run")
    .description("be a node until interrupted")
    .addOption(
      new Option("-n, --name <name>", "its name (default: this machine's)").argParser(nameOf),
    )
    .option("-g, --group <group...>", "the groups it belongs to (default: default)")
    .addOption(
      new Option("--type <types>", "which jobs it runs: single, any, all (default: all three)")
        .argParser(typesOf)
        .default([...TYPES], "single,any,all"),
    )
    .option("-l, --label <name=value...>", "labels that jobs can ask for")
    .option("--slots <n>", "how many any-node jobs it takes at a time", slotsOf)
    .option("--memory <mb>", "what its running jobs may hold together (default: 512)", memoryOf)
    .option("-v, --verbose", "say more")
    .action(act(run));

  node.command("ls").alias("list").description("the nodes and whether they live").action(act(ls));

  node
    .command("rm <name>")
    .description("forget a node that does not run any more; what its jobs wrote stays")
    .option("-f, --force", "also where jobs are placed at it: they wait for one of that name")
    .action(act(rm));
}

interface RunOptions {
  readonly name?: string;
  readonly group?: string[];
  readonly type: readonly RunType[];
  readonly label?: string[];
  readonly slots?: number;
  readonly memory?: number;
  readonly verbose?: boolean;
}

async function run(context: CommandContext, options: RunOptions): Promise<ExitCode> {
  const name = options.name ?? hostname().split(".")[0] ?? "node";
  const log = consoleLog(name, { verbose: options.verbose ?? false });
  const groups = options.group?.map(groupOf) ?? ["default"];
  const labels = Object.fromEntries((options.label ?? []).map(label));
  const { runNode } = await import("../../node/node.ts");
  const tree = await context.tree({ create: true });
  await using node = await runNode({
    tree,
    name,
    groups,
    types: options.type,
    labels,
    ...(options.slots === undefined ? {} : { slots: options.slots }),
    memoryMb: options.memory,
    log,
    // Another node may begin with a job that can't be ended here: nothing of this process may go on.
    onStuck: () => process.kill(process.pid, "SIGKILL"),
    signal: context.signal,
  });
  log.info(`node ${name} runs`, { groups: groups.join(",") });
  await node.closed(context.signal);
  // It closed by itself: whoever looks after it is to start it again.
  return context.signal.aborted ? EXIT.ok : EXIT.failed;
}

async function ls(context: CommandContext): Promise<void> {
  const tree = await context.tree();
  context.output.rows(await listNodes(tree), COLUMNS);
}

async function rm(
  context: CommandContext,
  name: string,
  options: { force?: boolean },
): Promise<void> {
  const { signal } = context;
  const removed = await removeNode(await context.tree(), name, { ...options, signal });
  if (!removed) throw new CliError("CLI_NOT_FOUND", `there is no node ${name}`);
  context.output.note(`node ${name} is forgotten`);
}

function typesOf(text: string): RunType[] {
  const names = text.split(",").filter((name) => name !== "");
  for (const name of names) {
    if (!(TYPES as readonly string[]).includes(name)) {
      throw new CliError("CLI_USAGE", `--type ${name}: there are ${TYPES.join(", ")}`);
    }
  }
  return names as RunType[];
}

function nameOf(text: string): string {
  if (isName(text)) return text;
  throw new CliError("CLI_USAGE", `--name ${JSON.stringify(text)}: give ${NAME_TEXT}`);
}

function groupOf(text: string): string {
  if (isName(text)) return text;
  throw new CliError("CLI_USAGE", `--group ${JSON.stringify(text)}: give ${NAME_TEXT}`);
}

function slotsOf(text: string): number {
  const slots = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(slots) && slots >= 0) return slots;
  throw new CliError("CLI_USAGE", `--slots ${text}: give a whole number from 0`);
}

function memoryOf(text: string): number {
  const megabytes = Number(text);
  if (megabytes >= MIN_MEMORY_MB && megabytes < Infinity) return megabytes;
  throw new CliError("CLI_USAGE", `--memory ${text}: give MB, from ${MIN_MEMORY_MB}`);
}

function label(text: string): [string, string] {
  const [name = "", ...value] = text.split("=");
  if (name !== "" && value.length > 0) return [name, value.join("=")];
  throw new CliError("CLI_USAGE", `--label ${text} is no name=value`);
}

const COLUMNS: readonly Column<NodeListing>[] = [
  { head: "node", cell: ({ name }) => name },
  { head: "state", cell: ({ state }) => state },
  { head: "groups", cell: ({ groups }) => groups.join(", ") },
  { head: "pid", cell: ({ pid }) => String(pid) },
  { head: "host", cell: ({ hostname: machine }) => machine },
  { head: "jobs", cell: ({ jobs }) => String(jobs) },
  { head: "beat", cell: ({ beat }) => ago(beat, Date.now()) },
];
