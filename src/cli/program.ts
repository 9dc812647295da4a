import { Command, CommanderError, Option } from "commander";

import { BanyanError, CliError } from "../base/errors.ts";
import { addAuditCommand } from "./commands/audit.ts";
import { addCodeCommands } from "./commands/code.ts";
import { addConfigCommands } from "./commands/config.ts";
import { addContextCommands } from "./commands/context.ts";
import { addDataCommands } from "./commands/data.ts";
import { addDevCommand } from "./commands/dev.ts";
import { addDoctorCommand } from "./commands/doctor.ts";
import { addErrorCommands } from "./commands/error.ts";
import { addJobCommands } from "./commands/job.ts";
import { addModuleCommands } from "./commands/module.ts";
import { addJoinCommands } from "./commands/join.ts";
import { addMessageCommands } from "./commands/msg.ts";
import { addGroupCommands } from "./commands/group.ts";
import { addNodeCommands } from "./commands/node.ts";
import { addRuleCommands } from "./commands/rule.ts";
import { addRoleCommands } from "./commands/role.ts";
import { addSecretCommands } from "./commands/secret.ts";
import { addSnapshotCommands } from "./commands/snapshot.ts";
import { addSyncCommands } from "./commands/sync.ts";
import { addUpCommand } from "./commands/up.ts";
import { addUserCommands } from "./commands/user.ts";
import type { Act } from "./act.ts";
import { Settings } from "./config/settings.ts";
import { colorsFor } from "./colors.ts";
import { CommandContext, type CliIo } from "./context.ts";
import { EXIT, exitCodeOf, type ExitCode } from "./exit-codes.ts";
import { FORMATS } from "./output.ts";
import { toJson } from "./plain.ts";
import { VERSION } from "../node/version.ts";

/** Runs one command line and tells its exit status; prints what is to be printed, never throws. */
export async function runCli(args: readonly string[], io: CliIo): Promise<ExitCode> {
  let exit: ExitCode = EXIT.ok;
  let settings: Settings | undefined;
  const act: Act =
    (work, { flagsOnly = false } = {}) =>
    async (...given) => {
      const source = { flags: flagsOf(program), env: io.env, cwd: io.cwd };
      settings = flagsOnly ? Settings.ofFlags(source) : await Settings.load(source);
      await using context = new CommandContext(io, settings, program.opts<{ quiet?: boolean }>());
      exit = (await work(context, ...given)) ?? EXIT.ok;
    };
  const program = buildProgram(io, act);
  try {
    await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    const { env, cwd } = io;
    return complain(error, io, settings ?? Settings.ofFlags({ flags: flagsOf(program), env, cwd }));
  }
  return exit;
}

/** What was said on the command line itself: commander has put in what the environment says, too. */
function flagsOf(program: Command): Readonly<Record<string, string | undefined>> {
  const said = program.options.filter((option) => {
    return program.getOptionValueSource(option.attributeName()) === "cli";
  });
  return Object.fromEntries(
    said.map((option) => [option.name(), String(program.getOptionValue(option.attributeName()))]),
  );
}

/**
 * The command with everything below it; `act` decides what its actions do. The reference is written
 * from it.
 *
 * @public
 */
export function buildProgram(io: Pick<CliIo, "stdout" | "stderr">, act: Act): Command {
  const program = base(io);
  for (const add of COMMANDS) add(program, act);
  inherit(program, program);
  return program;
}

const COMMANDS: readonly ((program: Command, act: Act) => void)[] = [
  addDevCommand,
  addUpCommand,
  addNodeCommands,
  addGroupCommands,
  addJoinCommands,
  addDataCommands,
  addRuleCommands,
  addSnapshotCommands,
  addDoctorCommand,
  addCodeCommands,
  addModuleCommands,
  addSyncCommands,
  addJobCommands,
  addErrorCommands,
  addMessageCommands,
  addUserCommands,
  addRoleCommands,
  addAuditCommand,
  addSecretCommands,
  addContextCommands,
  addConfigCommands,
];

function base(io: Pick<CliIo, "stdout" | "stderr">): Command {
  return new Command("banyan")
    .description("One tree of data and code, shared by every node.")
    .version(VERSION)
    .addOption(
      new Option(
        "-t, --tree <url>",
        "the tree: a directory, unix:/socket, tls://host:port#fingerprint, or memory:",
      ).env("BANYAN_TREE"),
    )
    .addOption(
      new Option(
        "-u, --user <name>",
        "who you are, for a tree on the network; asks for the password",
      ).env("BANYAN_USER"),
    )
    .addOption(
      new Option("-o, --output <format>", "how data is printed")
        .choices(FORMATS)
        .env("BANYAN_OUTPUT"),
    )
    .addOption(
      new Option("--context <name>", "the tree, and who you are, as kept under this name").env(
        "BANYAN_CONTEXT",
      ),
    )
    .addOption(
      new Option("--codecs <set>", "read and write values as this set of conversions has them").env(
        "BANYAN_CODECS",
      ),
    )
    .addOption(
      new Option("--key-file <file>", "holds the key of the tree's secrets").env(
        "BANYAN_SECRET_KEY_FILE",
      ),
    )
    .option("-q, --quiet", "say nothing but data and errors")
    .showHelpAfterError("(add --help for what there is)")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .exitOverride();
}

/** Commander copies its settings to commands made by `command()`, not to what was added before. */
function inherit(program: Command, command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(program);
    inherit(program, child);
  }
}

function complain(error: unknown, io: CliIo, settings: Settings): ExitCode {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  if (io.signal.aborted && error === io.signal.reason) return EXIT.interrupted;
  const { output } = new CommandContext(io, settings);
  error = aboutFiles(error);
  if (output.format === "json" || output.format === "jsonl") {
    output.complain(JSON.stringify({ error: errorJson(error) }));
  } else {
    const colors = colorsFor(io.stderr, io.env);
    output.complain(`${colors.red("error:")} ${errorText(error, colors)}`);
  }
  return exitCodeOf(error);
}

/** What the system says of a file is no fault of the program, which a stack would help to find. */
function aboutFiles(error: unknown): unknown {
  if (BanyanError.is(error) || !(error instanceof Error)) return error;
  const { syscall, path } = error as NodeJS.ErrnoException;
  if (syscall === undefined || path === undefined) return error;
  return new CliError("CLI_FILE", error.message, { cause: error, details: { file: path } });
}

function errorJson(error: unknown): unknown {
  if (BanyanError.is(error)) return toJson(error.toJSON());
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { name, code: null, message, details: {} };
}

function errorText(error: unknown, { dim }: ReturnType<typeof colorsFor>): string {
  if (!BanyanError.is(error)) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const frame = error.details["frame"];
  const place = typeof frame === "string" ? `\n${frame}` : "";
  return `${error.message} ${dim(`(${error.code})`)}${place}`;
}
