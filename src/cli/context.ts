import { access, constants, open as openFile, readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";

import { CliError } from "../base/errors.ts";
import type { Credentials } from "../node/network.ts";
import { open } from "../node/open.ts";
import { isSupervised } from "../node/supervise.ts";
import { fromYaml } from "../node/yaml.ts";
import { parsePath } from "../wire/path-text.ts";
import type { Path } from "../wire/path.ts";
import type { Tree } from "../tree/tree.ts";
import { askSecret } from "./ask.ts";
import type { Settings } from "./config/settings.ts";
import { FORMATS, Output, type OutputStreams } from "./output.ts";

/** What the process gives the command; tests give their own. */
export interface CliIo extends OutputStreams {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly cwd: string;
  /** Aborts when the person wants the command to end. */
  readonly signal: AbortSignal;
}

interface OpenTree {
  /** Make one where there is none. */
  readonly create?: boolean | undefined;
  /** Which one, for a command that knows; else as the person said. */
  readonly url?: string | undefined;
}

/** What one run of one command works with. */
export class CommandContext implements AsyncDisposable {
  readonly io: CliIo;
  readonly output: Output;
  readonly settings: Settings;
  #tree: Promise<Tree> | undefined;

  constructor(io: CliIo, settings: Settings, { quiet = false }: { readonly quiet?: boolean } = {}) {
    this.io = io;
    this.settings = settings;
    const format = FORMATS.find((known) => known === settings.get("output"));
    this.output = new Output({ format, quiet, streams: io });
  }

  /** Holds the key of the tree's secrets, where it is not the tree's folder that does. */
  get keyFile(): string | undefined {
    return this.settings.get("key_file");
  }

  get signal(): AbortSignal {
    return this.io.signal;
  }

  /** Where the tree is, as somebody said; undefined: the nearest one. */
  get treeUrl(): string | undefined {
    return this.settings.get("tree");
  }

  /**
   * The same, for what works with a folder of this machine: which context is in use does not matter there, as
   * it is about where one works, mostly on another machine.
   */
  get folderUrl(): string | undefined {
    const inUse = this.settings.originOf("context")?.kind === "context";
    const isContext = this.settings.originOf("tree")?.kind === "context";
    return inUse && isContext ? undefined : this.treeUrl;
  }

  /** Who writes, as people know them. */
  get author(): string {
    return this.settings.get("author") ?? authorOf(this.io.env);
  }

  /** Who is started for a tree does not make another when it is gone. */
  get mayCreate(): boolean {
    return !isSupervised(this.io.env);
  }

  /** Opens the tree on first use. Only commands that write may make a new one. */
  tree(options: OpenTree = {}): Promise<Tree> {
    this.#tree ??= this.#open(options);
    return this.#tree;
  }

  async #open({ create = false, url = this.treeUrl }: OpenTree): Promise<Tree> {
    return open(url, {
      create: create && this.mayCreate,
      credentials: await this.#credentials(url),
      codecs: this.settings.get("codecs"),
      secretKeyFile: this.keyFile,
      cwd: this.io.cwd,
      author: this.author,
      signal: this.signal,
    });
  }

  /** A token goes before a name; a password comes from the environment, or from the terminal. */
  async #credentials(url: string | undefined): Promise<Credentials | undefined> {
    const { env, stdin } = this.io;
    if (url?.startsWith("tls:") !== true) return undefined;
    const { credentialsFrom } = await import("../node/network.ts");
    const user = this.settings.get("user");
    // What a context holds is for its own tree.
    const token = url === this.treeUrl ? this.settings.get("token") : env["BANYAN_TOKEN"];
    const known = credentialsFrom({ ...env, BANYAN_USER: user, BANYAN_TOKEN: token });
    if (known !== undefined || user === undefined || stdin.isTTY !== true) return known;
    return { user, password: await askSecret(this.io, `Password of ${user}`) };
  }

  /** Says what was done; @throws CliError `CLI_NOT_FOUND` with `missing` where there was nothing to do it to */
  done(found: boolean, said: string, missing: string): void {
    if (!found) throw new CliError("CLI_NOT_FOUND", missing);
    this.output.note(said);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const tree = await this.#tree?.catch(() => undefined);
    await tree?.close();
  }
}

/** Who the person is, for `author`: never more than a name. */
function authorOf(env: CliIo["env"]): string {
  return env["USER"] ?? env["LOGNAME"] ?? env["USERNAME"] ?? "cli";
}

/** A path argument; ":" is the root. */
export function pathArgument(argument: string): Path {
  return parsePath(argument);
}

/** The text of a file, or of standard input for "-". @throws CliError `CLI_NOT_FOUND` */
export async function readSource(io: CliIo, file: string): Promise<string> {
  if (file === "-") return text(io.stdin);
  try {
    return await readFile(resolve(io.cwd, file), "utf8");
  } catch (error) {
    throw cantRead(file, error);
  }
}

/** A file, or standard input for "-", to be read piece by piece. @throws CliError `CLI_NOT_FOUND` */
export async function openSource(io: CliIo, file: string): Promise<NodeJS.ReadableStream> {
  if (file === "-") return io.stdin;
  const path = await sourceFile(io, file);
  try {
    const handle = await openFile(path);
    return handle.createReadStream();
  } catch (error) {
    throw cantRead(file, error);
  }
}

/** The whole name of a file that is to be read. @throws CliError `CLI_NOT_FOUND` where there is none that can be */
export async function sourceFile(io: CliIo, file: string): Promise<string> {
  const path = resolve(io.cwd, file);
  try {
    await access(path, constants.R_OK);
    if ((await stat(path)).isDirectory()) throw new Error("it is a directory");
    return path;
  } catch (error) {
    throw cantRead(file, error);
  }
}

function cantRead(file: string, cause: unknown): CliError {
  return new CliError("CLI_NOT_FOUND", `can't read ${file}: ${(cause as Error).message}`, {
    cause,
  });
}

/** What YAML or JSON holds; `name` is where it came from. @throws CliError `CLI_USAGE` */
export function yamlValue(yaml: string, name: string): unknown {
  try {
    return fromYaml(yaml);
  } catch (error) {
    const [first = "", ...rest] = (error as Error).message.split("\n");
    const frame = rest.join("\n").trimEnd();
    throw new CliError("CLI_USAGE", `${name} is no YAML: ${first.replace(/:$/, "")}`, {
      cause: error,
      details: frame === "" ? {} : { frame },
    });
  }
}
