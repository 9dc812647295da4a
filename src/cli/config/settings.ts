import { CliError } from "../../base/errors.ts";
import { type Context, Contexts } from "./contexts.ts";
import { checkSetting, findProject, type ProjectFile } from "./project-file.ts";
import { infoOf, SETTING_NAMES, type SettingName } from "./setting-names.ts";

/** Where a value came from. */
export interface Origin {
  readonly kind: "flag" | "env" | "project" | "context" | "default";
  /** The option, the variable, the file and its line, the name of the context. */
  readonly where: string;
}

interface Candidate {
  readonly value: string;
  readonly origin: Origin;
}

/** One setting with its winner first, and what that goes before. */
export interface Setting {
  readonly name: SettingName;
  readonly candidates: readonly Candidate[];
}

export interface SettingsSource {
  /** The options that were given on the command line, by their names with dashes. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/**
 * What holds for one run of the command. A flag goes before the environment, that before the project file,
 * that before the context in use. A context that is named goes directly behind what names it: with
 * `--context` it goes before the environment.
 *
 * Who one is there (`user`, `token`) goes with a context's own tree alone: no other one is to see a token.
 */
export class Settings {
  readonly #candidates: ReadonlyMap<SettingName, readonly Candidate[]>;
  /** The project file, where there is one. */
  readonly project: string | undefined;

  private constructor(
    candidates: ReadonlyMap<SettingName, readonly Candidate[]>,
    project: string | undefined,
  ) {
    this.#candidates = candidates;
    this.project = project;
  }

  /** @throws CliError `CLI_BAD_CONFIG`, `CLI_NOT_FOUND` for a context that is not there */
  static async load(source: SettingsSource): Promise<Settings> {
    const project = await findProject(source.cwd);
    const layers = [flagLayer(source), envLayer(source), projectLayer(project)];
    const named = layers.findIndex((layer) => layer.has("context"));
    const context = await contextLayer(source, layers[named]?.get("context"));
    if (context !== undefined) layers.splice(named < 0 ? layers.length : named + 1, 0, context);
    const all = new Map<SettingName, Candidate[]>();
    for (const name of SETTING_NAMES) {
      all.set(
        name,
        layers.flatMap((layer) => layer.get(name) ?? []),
      );
    }
    if (context !== undefined) keepIdentity(all, context);
    return new Settings(all, project?.file);
  }

  /** Nothing but the flags, for who has to say what is wrong with the rest. */
  static ofFlags(source: SettingsSource): Settings {
    const layer = flagLayer(source);
    return new Settings(new Map([...layer].map(([name, one]) => [name, [one]])), undefined);
  }

  get(name: SettingName): string | undefined {
    return this.#candidates.get(name)?.[0]?.value;
  }

  /** Where the value came from; undefined where nobody said any. */
  originOf(name: SettingName): Origin | undefined {
    return this.#candidates.get(name)?.[0]?.origin;
  }

  /** All of them, in their order. */
  list(): readonly Setting[] {
    return SETTING_NAMES.map((name) => ({ name, candidates: this.#candidates.get(name) ?? [] }));
  }
}

type Layer = ReadonlyMap<SettingName, Candidate>;

function flagLayer({ flags, cwd }: SettingsSource): Layer {
  return layerOf((name) => {
    const { flag } = infoOf(name);
    const value = flag === undefined ? undefined : flags[flag];
    return value === undefined ? undefined : { value: absolute(name, value, cwd), origin: { kind: "flag", where: `--${flag}` } }; // prettier-ignore
  });
}

function envLayer({ env, cwd }: SettingsSource): Layer {
  return layerOf((name) => {
    const { env: variable = "" } = infoOf(name);
    const value = env[variable];
    if (value === undefined || value === "") return undefined;
    const checked = checkSetting(name, value, variable, cwd);
    // An address is told as it was said.
    return { value: name === "tree" ? value : checked, origin: { kind: "env", where: variable } };
  });
}

function projectLayer(project: ProjectFile | undefined): Layer {
  return layerOf((name) => {
    const found = project?.settings.get(name);
    return found && { value: found.value, origin: { kind: "project", where: found.where } };
  });
}

async function contextLayer(
  { env }: SettingsSource,
  said: Candidate | undefined,
): Promise<Layer | undefined> {
  const contexts = new Contexts(env);
  const name = said?.value ?? (await contexts.inUse()).name;
  if (name === undefined) return undefined;
  const context = await contexts.get(name);
  if (context === undefined) {
    const by = said === undefined ? "in use" : `named by ${said.origin.where}`;
    const says = `there is no context ${name}, which is ${by}; see banyan context ls and use`;
    throw new CliError("CLI_NOT_FOUND", says);
  }
  return layerOf((setting) => {
    const value = setting === "context" ? (said === undefined ? name : undefined) : valueIn(context, setting); // prettier-ignore
    return value === undefined ? undefined : { value, origin: { kind: "context", where: name } };
  });
}

function valueIn(context: Context, name: SettingName): string | undefined {
  return infoOf(name).inContext ? context[name as keyof Context] : undefined;
}

/** Takes away who one is in a context where the tree, or the user, is another one. */
function keepIdentity(all: Map<SettingName, Candidate[]>, context: Layer): void {
  const drop = (name: SettingName): void => {
    const own = context.get(name);
    all.set(
      name,
      (all.get(name) ?? []).filter((candidate) => candidate !== own),
    );
  };
  if (all.get("tree")?.[0] !== context.get("tree")) drop("user");
  const user = all.get("user")?.[0];
  const isOther = user !== undefined && user !== context.get("user");
  if (isOther || all.get("tree")?.[0] !== context.get("tree")) drop("token");
}

function layerOf(find: (name: SettingName) => Candidate | undefined): Layer {
  const layer = new Map<SettingName, Candidate>();
  for (const name of SETTING_NAMES) {
    const found = find(name);
    if (found !== undefined) layer.set(name, found);
  }
  return layer;
}

function absolute(name: SettingName, value: string, cwd: string): string {
  return infoOf(name).isPath === true ? checkSetting(name, value, `--${name}`, cwd) : value;
}
