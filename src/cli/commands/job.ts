import type { Command } from "commander";

import { CliError } from "../../base/errors.ts";
import { JobRoot } from "../../node/on-use.ts";
import type { JobListEvent, JobListing } from "../../runner/job-root.ts";
import { formatPath, parsePath } from "../../wire/path-text.ts";
import { comparePaths } from "../../wire/path-key.ts";
import type { Path } from "../../wire/path.ts";
import { pathArgument, readSource, yamlValue, type CommandContext } from "../context.ts";
import { ago, clip, inline, type Column } from "../output.ts";
import type { Act } from "../act.ts";
import { assignment } from "../words.ts";

/** `banyan job`: what runs where. */
export function addJobCommands(program: Command, act: Act): void {
  const job = program.command("job").description("jobs: which procedure runs where, and when");

  job
    .command("set <path>")
    .description("create or change a job; what is not named stays as it is")
    .option("-f, --file <file>", "the whole entry from YAML or JSON (- for stdin)")
    .option("-c, --code <path>", "the procedure it runs")
    .option("--any [group]", "on any one node of a group (default: default)")
    .option("--all [group]", "on every node of a group")
    .option("--node <name>", "on this node only")
    .option("--at <when>", "when: `now`, `never`, seconds since 1970, or a date")
    .option("--repeat <seconds>", "again so long after it stopped", seconds)
    .option("--delay <seconds>", "wait before a retry", seconds)
    .option("--backoff <factor>", "what each further failure multiplies the wait with", seconds)
    .option("--max-delay <seconds>", "no wait is longer", seconds)
    .option("--ok-after <seconds>", "running so long counts as success", seconds)
    .option("--timeout <seconds>", "stop a run after so long", seconds)
    .option("--partition <policy>", "while its node is cut off: `stop` or `continue`")
    .option("-e, --eval <name=json...>", "data for the procedure, one variable each")
    .option("--info <text>", "what people should know about it")
    .action(act(set));

  job.command("get <path>").description("print a job's entry").action(act(get));
  job
    .command("ls [path]")
    .alias("list")
    .description("the jobs below a path, with state and node")
    .option("-w, --watch", "then every change, until interrupted; a table that changes for people")
    .action(act(ls));
  job
    .command("state <path>")
    .description("where and how it runs, on every node that has a state for it")
    .action(act(state));
  job.command("runs <path>").description("its runs, newest first").action(act(runs));
  job
    .command("logs <path>")
    .description("what its last run said; or a named one")
    .option("--run <id>", "that run")
    .action(act(logs));
  job
    .command("run <path>")
    .description("start it now, whatever its schedule says")
    .action(act(run));
  job
    .command("cancel <path>")
    .description("stop its present run; the job starts again when it is next due")
    .action(act(cancel));
  job.command("why <path>").description("why it does not run").action(act(why));
  job
    .command("rm <path>")
    .alias("del")
    .description("delete a job; refused while it runs, unless --force")
    .option("--force", "also while it runs: the run is cancelled")
    .action(act(rm));
}

interface SetOptions {
  readonly file?: string;
  readonly code?: string;
  readonly any?: string | true;
  readonly all?: string | true;
  readonly node?: string;
  readonly at?: string;
  readonly repeat?: number;
  readonly delay?: number;
  readonly backoff?: number;
  readonly maxDelay?: number;
  readonly okAfter?: number;
  readonly timeout?: number;
  readonly partition?: string;
  readonly eval?: string[];
  readonly info?: string;
}

async function set(context: CommandContext, path: string, options: SetOptions): Promise<void> {
  const at = pathArgument(path);
  const jobs = await JobRoot.open(await context.tree({ create: true }));
  const before: unknown =
    options.file === undefined
      ? ((await jobs.raw(at)) ?? {})
      : yamlValue(await readSource(context.io, options.file), options.file);
  if (typeof before !== "object" || before === null) {
    throw new CliError(
      "CLI_USAGE",
      `${options.file ?? path} holds no job: a job is a map of fields`,
    );
  }
  const fields = changed(options);
  const data = Object.fromEntries((options.eval ?? []).map(assignment));
  const kept = (before as { data?: object }).data;
  await jobs.set(at, {
    ...before,
    ...fields,
    ...(options.eval === undefined ? {} : { data: { ...kept, ...data } }),
  });
  context.output.note(`job ${formatPath(at)} set`);
}

/** The entry's fields that the options name. */
function changed(options: SetOptions): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    code: options.code === undefined ? undefined : parsePath(options.code),
    place: placeOf(options),
    target: options.at === undefined ? undefined : targetOf(options.at),
    repeat: options.repeat,
    delay: options.delay,
    backoff: options.backoff,
    max_delay: options.maxDelay,
    ok_after: options.okAfter,
    timeout: options.timeout,
    partition: options.partition,
    info: options.info,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function placeOf({ any, all, node }: SetOptions): object | undefined {
  if ([any, all, node].filter((given) => given !== undefined).length > 1) {
    throw new CliError("CLI_USAGE", "give one of --any, --all and --node");
  }
  if (node !== undefined) return { node };
  if (all !== undefined) return { all: all === true ? "default" : all };
  if (any !== undefined) return { any: any === true ? "default" : any };
  return undefined;
}

function targetOf(text: string): number | null {
  if (text === "now") return Date.now() / 1000;
  if (text === "never") return null;
  const number = Number(text);
  if (text.trim() !== "" && Number.isFinite(number)) return number;
  const date = Date.parse(text);
  if (!Number.isNaN(date)) return date / 1000;
  throw new CliError(
    "CLI_USAGE",
    `--at ${text}: give now, never, seconds since 1970, or a date as 2026-01-31T12:00:00Z`,
  );
}

async function get(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  const jobs = await JobRoot.open(await context.tree());
  const entry = await jobs.raw(at);
  if (entry === undefined) throw notFound(path);
  context.output.value(entry);
}

async function ls(
  context: CommandContext,
  path = ":",
  { watch = false }: { watch?: boolean } = {},
): Promise<void> {
  const below = pathArgument(path);
  const jobs = await JobRoot.open(await context.tree());
  if (watch) return watchJobs(context, jobs.watchList(below, { signal: context.signal }));
  const rows = await jobs.list(below);
  context.output.rows(rows, COLUMNS);
}

/** How long ago a job was started is told this often. */
const REDRAW_MS = 1_000;

async function watchJobs(
  { output }: CommandContext,
  events: AsyncIterable<readonly JobListEvent[]>,
): Promise<void> {
  const table = output.liveTable(COLUMNS);
  const rows = new Map<string, JobListing>();
  const draw = (): void => {
    // As a listing has them, which is in the order of paths.
    table?.draw([...rows.values()].toSorted((a, b) => comparePaths(a.path, b.path)));
  };
  const redrawing = table && setInterval(draw, REDRAW_MS);
  try {
    for await (const batch of events) {
      for (const { path, listing } of batch) {
        if (listing === undefined) rows.delete(formatPath(path));
        else rows.set(formatPath(path), listing);
        if (table === undefined) output.row(listing ?? deleted(path), COLUMNS);
      }
      draw();
    }
  } finally {
    clearInterval(redrawing);
  }
}

function deleted(path: Path): JobRow {
  const gone = { code: undefined, started: undefined, comment: undefined };
  return { ...gone, path, place: "", state: "deleted", nodes: [] };
}

async function state(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  const jobs = await JobRoot.open(await context.tree());
  const states = await jobs.states(at);
  if (states.length === 0) {
    if ((await jobs.raw(at)) === undefined) throw notFound(path);
    context.output.note(`${formatPath(at)} has not been started yet`);
  }
  context.output.rows(states, [
    { head: "slot", cell: ({ slot }) => slot },
    { head: "node", cell: (row) => row.state.node ?? "" },
    { head: "started", cell: (row) => ago(row.state.started, Date.now()) },
    { head: "stopped", cell: (row) => ago(row.state.stopped, Date.now()) },
    { head: "failures", cell: (row) => String(row.state.backoff) },
    { head: "reason", cell: (row) => row.state.reason ?? "" },
    { head: "result", cell: (row) => clip(inline(row.state.result), 40) },
    { head: "comment", cell: (row) => clip(row.state.comment ?? "", 60) },
  ]);
}

async function runs(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  const jobs = await JobRoot.open(await context.tree());
  context.output.rows(await jobs.runs(at), [
    { head: "run", cell: ({ id }) => id },
    { head: "node", cell: ({ node }) => node },
    { head: "reason", cell: ({ reason }) => reason },
    { head: "started", cell: ({ started }) => ago(started, Date.now()) },
    { head: "stopped", cell: ({ stopped }) => ago(stopped, Date.now()) },
    { head: "outcome", cell: ({ outcome }) => outcome ?? "running" },
    { head: "token", cell: ({ token }) => String(token) },
    { head: "result", cell: ({ result, error }) => clip(error?.message ?? inline(result), 50) },
  ]);
}

async function logs(
  context: CommandContext,
  path: string,
  options: { run?: string },
): Promise<void> {
  const at = pathArgument(path);
  const jobs = await JobRoot.open(await context.tree());
  for (const line of await jobs.logs(at, options.run === undefined ? {} : { run: options.run })) {
    const time = new Date(line.time * 1000).toISOString();
    context.output.event(line, `${time} ${line.level.padEnd(5)} ${line.text}`);
  }
}

async function run(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  const jobs = await JobRoot.open(await context.tree());
  await jobs.run(at);
  context.output.note(`${formatPath(at)} will be started`);
}

async function cancel(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  const jobs = await JobRoot.open(await context.tree());
  await jobs.cancel(at);
  context.output.note(`${formatPath(at)} will be stopped`);
}

async function why(context: CommandContext, path: string): Promise<void> {
  const at = pathArgument(path);
  const jobs = await JobRoot.open(await context.tree());
  context.output.value(await jobs.why(at));
}

async function rm(
  context: CommandContext,
  path: string,
  options: { force?: boolean },
): Promise<void> {
  const at = pathArgument(path);
  const jobs = await JobRoot.open(await context.tree());
  const there = await jobs.remove(at, { force: options.force ?? false });
  const name = `job ${formatPath(at)}`;
  context.done(there, `${name} deleted`, `there is no ${name}`);
}

function notFound(path: string): CliError {
  return new CliError("CLI_NOT_FOUND", `there is no job ${path}`);
}

function seconds(text: string): number {
  const number = Number(text);
  if (text.trim() !== "" && Number.isFinite(number) && number >= 0) return number;
  throw new CliError("CLI_USAGE", `${text} is no number from 0`);
}

/** In a stream of changes, a job may also be gone. */
interface JobRow extends Omit<JobListing, "state"> {
  readonly state: JobListing["state"] | "deleted";
}

const COLUMNS: readonly Column<JobRow>[] = [
  { head: "job", cell: ({ path }) => formatPath(path) },
  { head: "code", cell: ({ code }) => (code === undefined ? "" : formatPath(code)) },
  { head: "place", cell: ({ place }) => place },
  { head: "state", cell: ({ state: status }) => status },
  { head: "node", cell: ({ nodes }) => nodes.join(", ") },
  { head: "last start", cell: ({ started }) => ago(started, Date.now()) },
  { head: "comment", cell: ({ comment }) => clip(comment ?? "", 50) },
];
