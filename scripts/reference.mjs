// Writes docs/reference/commands.md and errors.md from the build; with --check it only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ERROR_CODES } from "../build/base/error-codes.js";
import { EXIT, exitCodeOf } from "../build/cli/exit-codes.js";
import { buildProgram } from "../build/cli/program.js";
import { errorFromCode } from "../build/base/errors.js";
import { root } from "./prepare.mjs";

/** Nothing is run: only the command's shape is read. */
const act = () => async () => {};

const EXIT_SAYS = {
  ok: "done",
  failed: "failed for a reason that has no number of its own",
  usage: "the command line, a path or an address is wrong",
  notFound: "there is no such tree, entry, code or job",
  conflict: "somebody else was first: a revision, an existing entry, something in use",
  denied: "not allowed",
  unreachable: "the hub or a peer can't be reached, or did not answer in time",
  invalid: "the value, entry or source is not valid",
  codeFailed: "the stored code threw",
  partlyFailed: "some of it failed",
  differs: "what was compared differs",
  interrupted: "stopped by a signal",
};

const pages = { "commands.md": commands(), "errors.md": errors() };
let differs = false;
for (const [name, text] of Object.entries(pages)) {
  const file = join(root, "docs/reference", name);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (readFileSync(file, "utf8") !== text) {
    process.stderr.write(`docs/reference/${name} is out of date: npm run reference\n`);
    differs = true;
  }
}
process.exit(differs ? 1 : 0);

function commands() {
  const program = buildProgram({ stdout: process.stdout, stderr: process.stderr }, act);
  const lines = [
    "# Commands",
    "",
    "Written by `npm run reference` from the command itself.",
    "",
    "Data goes to stdout in the format `-o` names (a table on a terminal, tab-separated in a pipe);",
    'everything else goes to stderr. With `-o json` an error is `{"error": {code, message, details}}` there.',
    "",
    "| exit status | when |",
    "| --- | --- |",
    ...Object.entries(EXIT).map(([name, code]) => `| ${code} | ${EXIT_SAYS[name]} |`),
    "",
  ];
  const add = (command, depth) => {
    const name = fullName(command);
    lines.push(`${"#".repeat(depth)} ${name}`, "", "```text", help(command), "```", "");
    for (const child of command.commands) add(child, Math.min(depth + 1, 4));
  };
  add(program, 2);
  return `${lines.join("\n").trimEnd()}\n`;
}

function fullName(command) {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function help(command) {
  const own = command.configureHelp({ showGlobalOptions: false, helpWidth: 96 });
  return own.helpInformation().trimEnd();
}

function errors() {
  const lines = [
    "# Errors",
    "",
    "Written by `npm run reference` from `src/base/error-codes.ts`.",
    "",
    "Every error thrown on purpose carries a code, the same in the library, on the wire and in `-o json`.",
    "Decide on `error.code`, never on the message. *Again* says whether the same call may succeed later.",
    "",
    "| code | means | again | exit |",
    "| --- | --- | --- | --- |",
  ];
  for (const [code, { retryable, says }] of Object.entries(ERROR_CODES)) {
    const exit = exitCodeOf(errorFromCode(code, says, {}));
    lines.push(`| \`${code}\` | ${says} | ${retryable ? "yes" : ""} | ${exit} |`);
  }
  return `${lines.join("\n")}\n`;
}
