import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

import { CliError } from "../../base/errors.ts";

/** A tree under a name: where it is, and who one is there. */
export interface Context {
  readonly tree: string;
  readonly user?: string;
  readonly token?: string;
  readonly codecs?: string;
  readonly key_file?: string;
  readonly output?: string;
  readonly author?: string;
}

const CONTEXT = ["tree", "user", "token", "codecs", "key_file", "output", "author"] as const;

/** Which context is in use, and which was before. */
interface InUse {
  readonly name?: string | undefined;
  readonly previous?: string | undefined;
}

const IN_USE = ["name", "previous"] as const;

/**
 * The contexts of this user: a file each, which nobody else can read, in `contexts` in the folder of this
 * user's settings, and `context.json` beside it, which says the one in use.
 */
export class Contexts {
  readonly #folder: string;

  /** `env` says where users keep settings: `XDG_CONFIG_HOME`, or the usual place. */
  constructor(env: Readonly<Record<string, string | undefined>>) {
    const { XDG_CONFIG_HOME: xdg, APPDATA: appData, HOME: home } = env;
    const usual = process.platform === "win32" && appData ? appData : join(home || homedir(), ".config"); // prettier-ignore
    this.#folder = join(xdg || usual, "banyan");
  }

  /** The names, in their order. */
  async list(): Promise<readonly string[]> {
    const files = await readdir(this.#contextFolder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    return files.filter((file) => /^[^.].*\.json$/.test(file)).map((file) => file.slice(0, -5)).sort(); // prettier-ignore
  }

  /** Undefined where there is none. @throws CliError `CLI_BAD_CONFIG` */
  async get(name: string): Promise<Context | undefined> {
    checkName(name);
    const file = this.#file(name);
    const found = await readJson(file, CONTEXT);
    if (found === undefined) return undefined;
    const { tree, ...rest } = found;
    if (tree === undefined) throw unusable(file, "it names no tree");
    if (rest.token !== undefined) await refuseOpen(file);
    return { tree, ...rest };
  }

  async set(name: string, context: Context): Promise<void> {
    checkName(name);
    await writePrivate(this.#contextFolder, this.#file(name), context);
  }

  /** Forgets it, also as the one in use; gives whether there was one. */
  async remove(name: string): Promise<boolean> {
    checkName(name);
    const { name: now, previous } = await this.inUse();
    if (!(await this.list()).includes(name)) return false;
    // Also one that can't be read.
    await rm(this.#file(name));
    if (now === name || previous === name) {
      await this.#write({
        name: now === name ? undefined : now,
        previous: previous === name ? undefined : previous,
      });
    }
    return true;
  }

  async inUse(): Promise<InUse> {
    return (await readJson(this.#current, IN_USE)) ?? {};
  }

  /** Uses another one from now on; undefined: none. */
  async use(name: string | undefined): Promise<void> {
    const { name: previous } = await this.inUse();
    if (name !== previous) await this.#write({ name, previous });
  }

  get #contextFolder(): string {
    return join(this.#folder, "contexts");
  }

  get #current(): string {
    return join(this.#folder, "context.json");
  }

  #file(name: string): string {
    return join(this.#contextFolder, `${name}.json`);
  }

  async #write(inUse: InUse): Promise<void> {
    await writePrivate(this.#folder, this.#current, inUse);
  }
}

/** @throws CliError `CLI_USAGE` for what can't be a file's name everywhere */
function checkName(name: string): void {
  if (/^[\w][\w.-]{0,63}$/.test(name)) return;
  const says = `${JSON.stringify(name)} is no name for a context: letters, digits, "_", "-" and "."`;
  throw new CliError("CLI_USAGE", says);
}

/** The texts in a file, by these names and no other. */
async function readJson<Name extends string>(
  file: string,
  names: readonly Name[],
): Promise<{ readonly [_ in Name]?: string } | undefined> {
  const content = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (content === undefined) return undefined;
  const found: { [_ in Name]?: string } = {};
  for (const [key, value] of Object.entries(parsed(file, content))) {
    const name = names.find((known) => known === key);
    if (name === undefined)
      throw unusable(file, `there is no ${key}; there are ${names.join(", ")}`);
    if (typeof value !== "string" || value === "") throw unusable(file, `${name} is a text`);
    found[name] = value;
  }
  return found;
}

function parsed(file: string, content: string): object {
  try {
    const json: unknown = JSON.parse(content);
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
  } catch {
    // What the parser says repeats what stands there, which may be a token.
  }
  throw unusable(file, "it is no object of JSON");
}

function unusable(file: string, why: string): CliError {
  const says = `${file} can't be used: ${why}; mend it or remove it`;
  return new CliError("CLI_BAD_CONFIG", says, { details: { place: file } });
}

/** As ssh does with its keys. @throws CliError `CLI_BAD_CONFIG` */
async function refuseOpen(file: string): Promise<void> {
  if (process.platform === "win32" || ((await stat(file)).mode & 0o077) === 0) return;
  const says = `${file} holds a token and is open to others: chmod 600, and get another token`;
  throw new CliError("CLI_BAD_CONFIG", says, { details: { place: file } });
}

async function writePrivate(folder: string, file: string, content: object): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = join(folder, `.${randomUUID()}`);
  try {
    await writeFile(draft, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
}
