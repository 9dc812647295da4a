import type { Command } from "commander";

import { formatPath } from "../../wire/path-text.ts";
import { pathArgument, type CommandContext } from "../context.ts";
import { inline } from "../output.ts";
import type { Act } from "../act.ts";
import { jsonOrText } from "../words.ts";

/** `banyan msg`: messages between whoever is connected; nothing is stored. */
export function addMessageCommands(program: Command, act: Act): void {
  const msg = program.command("msg").description("publish and hear messages; nothing is stored");

  msg
    .command("pub <topic> <value>")
    .description("send a value (JSON, or text) to everyone who listens now")
    .action(act(publish));

  msg
    .command("sub <topic>")
    .description("print the messages to a topic and all below it, until interrupted")
    .action(act(subscribe));
}

async function publish(context: CommandContext, topic: string, value: string): Promise<void> {
  const tree = await context.tree();
  await tree.publish(pathArgument(topic), jsonOrText(value));
}

async function subscribe(context: CommandContext, topic: string): Promise<void> {
  const tree = await context.tree();
  const messages = tree.subscribe(pathArgument(topic), { signal: context.signal });
  for await (const message of messages) {
    context.output.event(message, `${formatPath(message.topic)}\t${inline(message.value)}`);
  }
}
