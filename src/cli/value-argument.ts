import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";

import type { Command } from "commander";

import { CliError } from "../base/errors.ts";
import { parsePath } from "../wire/path-text.ts";
import { parseJson } from "../node/json.ts";
import { type CliIo, yamlValue } from "./context.ts";
import { fromJson } from "./plain.ts";

/** The ways to give a command a value, beside an argument. */
export interface ValueFlags {
  readonly value?: string;
  readonly eval?: string;
  readonly path?: string;
  readonly file?: string;
  readonly bytes?: boolean;
}

/** Lets a command take a value, which `givenValue` reads. */
export function takesValue(command: Command): Command {
  return command
    .option("-v, --value <text>", "the value is this text, whatever it looks like")
    .option("-e, --eval <json>", "the value is this JSON")
    .option("-p, --path <path>", "the value is this path")
    .option("-f, --file <file>", "the value is in this file (.json, .yaml, else text; - for stdin)")
    .option("-b, --bytes", "with --file: the bytes as they are");
}

/**
 * The value that was given: as an argument, JSON or else text, or by an option.
 *
 * @throws CliError `CLI_USAGE` where that is not one value, `CLI_NOT_FOUND` for a file
 */
export async function givenValue(
  io: CliIo,
  given: string | undefined,
  flags: ValueFlags,
): Promise<unknown> {
  const { bytes, ...kinds } = flags;
  const named = (["value", "eval", "path", "file"] as const).filter((k) => kinds[k] !== undefined);
  if (named.length + (given === undefined ? 0 : 1) !== 1) {
    throw new CliError(
      "CLI_USAGE",
      "give the value once: as an argument, or with one of --value, --eval, --path, --file",
    );
  }
  if (kinds.value !== undefined) return kinds.value;
  if (kinds.eval !== undefined) return jsonValue(kinds.eval, "--eval");
  if (kinds.path !== undefined) return parsePath(kinds.path);
  if (kinds.file !== undefined) return fileValue(io, kinds.file, bytes ?? false);
  try {
    return fromJson(parseJson(given ?? ""));
  } catch {
    return given;
  }
}

function jsonValue(text: string, name: string): unknown {
  try {
    return fromJson(parseJson(text));
  } catch (error) {
    throw new CliError("CLI_USAGE", `${name} is no JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function fileValue(io: CliIo, file: string, bytes: boolean): Promise<unknown> {
  const content = await (file === "-" ? buffer(io.stdin) : readFile(file)).catch((error) => {
    throw new CliError("CLI_NOT_FOUND", `can't read ${file}: ${(error as Error).message}`);
  });
  if (bytes) return new Uint8Array(content);
  const text = content.toString("utf8");
  if (file.endsWith(".json")) return jsonValue(text, file);
  if (/\.ya?ml$/.test(file)) return yamlValue(text, file);
  return text;
}
