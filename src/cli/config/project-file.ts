import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import type { Pair, Scalar } from "yaml";

import { closest } from "../../base/closest.ts";
import { CliError } from "../../base/errors.ts";
import { infoOf, isDirectoryAddress, SETTING_NAMES, type SettingName } from "./setting-names.ts";

/** The settings of a folder and all below it. */
const PROJECT_FILE = "banyan.yaml";

interface ProjectSetting {
  readonly value: string;
  /** The file and the line. */
  readonly where: string;
}

export interface ProjectFile {
  readonly file: string;
  readonly settings: ReadonlyMap<SettingName, ProjectSetting>;
}

/**
 * The nearest project file upwards; undefined where there is none.
 *
 * @throws CliError `CLI_BAD_CONFIG` with the place of what can't be
 */
export async function findProject(cwd: string): Promise<ProjectFile | undefined> {
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    const file = join(directory, PROJECT_FILE);
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile() === true) {
      refuseForeign(file, found.uid);
      return readProject(file, await readFile(file, "utf8"));
    }
    if (dirname(directory) === directory) return undefined;
  }
}

/** In a folder that others can write, as `/tmp`, somebody could send one anywhere. */
function refuseForeign(file: string, owner: number): void {
  const me = process.getuid?.();
  if (me === undefined || owner === me || owner === 0) return;
  if (me === 0 && String(owner) === process.env["SUDO_UID"]) return;
  throw new CliError("CLI_BAD_CONFIG", `${file} belongs to another user, so it is not used; remove it or make it yours`); // prettier-ignore
}

/** @throws CliError `CLI_BAD_CONFIG` */
export async function readProject(file: string, text: string): Promise<ProjectFile> {
  // Most folders have none.
  const { isMap, LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw bad(`${file}:${line}:${col}`, problem.message.split("\n", 1)[0] ?? "it is no YAML");
  }
  const settings = new Map<SettingName, ProjectSetting>();
  if (document.contents === null) return { file, settings };
  if (!isMap(document.contents))
    throw bad(`${file}:1:1`, "it is a map of settings, as `tree: ./here`");
  for (const item of document.contents.items) {
    const { line, col } = lines.linePos(startOf(item));
    const name = nameOf(item, `${file}:${line}:${col}`);
    settings.set(name, { value: valueOf(name, item, file, line), where: `${file}:${line}` });
  }
  return { file, settings };
}

function startOf({ key }: Pair): number {
  return scalar(key)?.range?.[0] ?? 0;
}

/** A node of YAML that is one value. */
function scalar(node: unknown): Scalar | undefined {
  return typeof node === "object" && node !== null && "value" in node
    ? (node as Scalar)
    : undefined;
}

function nameOf({ key }: Pair, place: string): SettingName {
  const found = scalar(key)?.value;
  const text = typeof found === "string" ? found : "that";
  const name = SETTING_NAMES.find((known) => known === text);
  if (name !== undefined && infoOf(name).inProject) return name;
  if (name !== undefined) {
    throw bad(place, `a ${name} does not belong into a file that others read; see banyan context`);
  }
  const known = SETTING_NAMES.filter((one) => infoOf(one).inProject);
  const like = closest(text, known);
  throw bad(place, `there is no setting ${text}; ${like === undefined ? `there are ${known.join(", ")}` : `did you mean ${like}?`}`); // prettier-ignore
}

function valueOf(name: SettingName, { value: node }: Pair, file: string, line: number): string {
  const value = scalar(node)?.value;
  if (typeof value !== "string" || value === "") throw bad(`${file}:${line}`, `${name} is a text`);
  return checkSetting(name, value, `${file}:${line}`, dirname(file));
}

/**
 * A value as it is used: a relative name of a file or directory is one from `from`.
 *
 * @throws CliError `CLI_BAD_CONFIG` with `place`
 */
export function checkSetting(
  name: SettingName,
  value: string,
  place: string,
  from: string,
): string {
  const { choices, isPath = false } = infoOf(name);
  if (choices !== undefined && !choices.includes(value)) {
    throw bad(place, `${name} is one of ${choices.join(", ")}, not ${value}`);
  }
  const relative = isPath || (name === "tree" && isDirectoryAddress(value));
  return relative ? resolve(from, value) : value;
}

function bad(place: string, says: string): CliError {
  return new CliError("CLI_BAD_CONFIG", `${place}: ${says}`, { details: { place } });
}
