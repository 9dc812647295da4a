import type { Command } from "commander";

import { BanyanError, CliError } from "../../base/errors.ts";
import type { TreeAnswer, TreeMember, TreePresenceEvent } from "../../tree/peers.ts";
import { formatPath } from "../../wire/path-text.ts";
import type { CommandContext } from "../context.ts";
import { pathArgument } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { ago, type Column, inline } from "../output.ts";
import type { Act } from "../act.ts";
import { durationArgument, jsonOrText } from "../words.ts";

/** `banyan msg`: messages between whoever is connected; nothing is stored. */
export function addMessageCommands(program: Command, act: Act): void {
  const msg = program
    .command("msg")
    .description("messages, requests and presence: between who is there now; nothing is stored");

  msg
    .command("pub <topic> <value>")
    .alias("send")
    .description("send a value (JSON, or text) to everyone who listens now")
    .action(act(publish));

  msg
    .command("sub <topic>")
    .alias("monitor")
    .description(
      "print the messages to a topic and all below it, until interrupted; + stands for one element, # for any number",
    )
    .option("-g, --group <name>", "share them with the others of that group: one gets each")
    .option("-n, --count <n>", "end after so many", countOf)
    .option("--raw", "print the bytes as they are")
    .action(act(subscribe));

  msg
    .command("request <topic> [value]")
    .description("ask who responds to a topic and print the answer")
    .option("-a, --all", "ask all of them")
    .option("-w, --wait <time>", "how long to wait, as 500ms, 10s or 2m (default: 10s)", waitOf)
    .action(act(request));

  msg
    .command("respond <topic> <procedure>")
    .description("answer requests by what a stored procedure makes of the value, until interrupted")
    .action(act(respond));

  msg
    .command("who [place]")
    .description("who is there, at a place and below it")
    .option("-w, --watch", "then who comes and goes, until interrupted")
    .action(act(who));
}

async function publish(context: CommandContext, topic: string, value: string): Promise<void> {
  const tree = await context.tree();
  await tree.publish(pathArgument(topic), jsonOrText(value));
}

interface SubscribeOptions {
  readonly group?: string;
  readonly count?: number;
  readonly raw?: boolean;
}

async function subscribe(
  context: CommandContext,
  topic: string,
  { group, count = Infinity, raw = false }: SubscribeOptions,
): Promise<void> {
  const tree = await context.tree();
  const { signal } = context;
  const messages = tree.subscribe(pathArgument(topic), { signal, group });
  await messages.ready;
  context.output.note(`listening to ${topic}`);
  let heard = 0;
  let dropped = 0;
  for await (const message of messages) {
    const { topic: at, data, value, error } = message;
    if (raw) context.output.value(data);
    else {
      const text = error === undefined ? inline(value) : `(${data.length} bytes, no value)`;
      context.output.event(message, `${formatPath(at)}\t${text}`);
    }
    if (messages.dropped > dropped) {
      context.output.note(`${messages.dropped - dropped} messages were lost: too many at once`);
      dropped = messages.dropped;
    }
    heard += 1;
    if (heard >= count) return;
  }
}

interface RequestOptions {
  readonly all?: boolean;
  readonly wait?: number;
}

async function request(
  context: CommandContext,
  topic: string,
  word: string | undefined,
  { all = false, wait }: RequestOptions,
): Promise<ExitCode> {
  const tree = await context.tree();
  const value = word === undefined ? undefined : jsonOrText(word);
  const options = { signal: context.signal, timeoutMs: wait };
  const answers: TreeAnswer[] = [];
  if (all) {
    for await (const answer of tree.peers.requestAll(pathArgument(topic), value, options)) {
      answers.push(answer);
    }
    context.output.rows(answers, ANSWERS);
    return answers.some((answer) => "error" in answer) ? EXIT.partlyFailed : EXIT.ok;
  }
  try {
    context.output.value(await tree.peers.request(pathArgument(topic), value, options));
    return EXIT.ok;
  } catch (error) {
    // What is not ours is what the responder threw.
    if (BanyanError.is(error) || context.signal.aborted) throw error;
    const why = error instanceof Error ? String(error) : inline(error);
    context.output.complain(`${topic} failed: ${why}`);
    return EXIT.codeFailed;
  }
}

async function respond(context: CommandContext, topic: string, procedure: string): Promise<void> {
  const tree = await context.tree();
  const at = pathArgument(procedure);
  const { CodeRoot } = await import("../../node/code-root.ts");
  await using code = await CodeRoot.open(tree);
  if ((await code.get(at)) === undefined) {
    throw new CliError("CLI_NOT_FOUND", `there is no procedure ${formatPath(at)}`);
  }
  const { signal } = context;
  const offer = tree.peers.respond(pathArgument(topic), (value) => code(at, value), { signal });
  await offer.ready;
  context.output.note(`responding to ${topic} by ${procedure}`);
  await new Promise<void>((done) => {
    signal.addEventListener("abort", () => done(), { once: true });
  });
}

async function who(
  context: CommandContext,
  place: string | undefined,
  { watch = false }: { watch?: boolean },
): Promise<void> {
  const tree = await context.tree();
  const at = pathArgument(place ?? ":");
  const { signal } = context;
  if (!watch) {
    context.output.rows(await tree.peers.list(at, { signal }), MEMBERS);
    return;
  }
  for await (const event of tree.peers.presence(at, { signal })) {
    context.output.event(event, shown(event));
  }
}

function shown(event: TreePresenceEvent): string {
  if (!("member" in event)) return event.type;
  const { place, about } = event.member;
  const what = event.type === "leave" ? event.reason : event.type;
  return `${what}\t${formatPath(place)}\t${inline(about)}`;
}

function countOf(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new CliError("CLI_USAGE", `--count ${text}: give a whole number from 1`);
}

function waitOf(text: string): number {
  const [, ms] = /^(\d+)ms$/.exec(text) ?? [];
  return ms === undefined ? durationArgument(text) : Number(ms);
}

const ANSWERS: readonly Column<TreeAnswer>[] = [
  { head: "by", cell: ({ by }) => by },
  { head: "answer", cell: ({ value }) => inline(value) },
  { head: "error", cell: ({ error }) => (error instanceof Error ? error.message : inline(error)) },
];

const MEMBERS: readonly Column<TreeMember>[] = [
  { head: "place", cell: ({ place }) => formatPath(place) },
  { head: "since", cell: ({ since }) => ago(since / 1000, Date.now()) },
  { head: "about", cell: ({ about }) => inline(about) },
];
