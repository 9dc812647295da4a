import { closest } from "../base/closest.ts";
import { GatewayError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import type { OptionNames } from "../base/options.ts";

/** Where an interpreter is to run, and how. Exactly one of `popen`, `worker`, `ssh` and `socket`. */
export interface GatewaySpec {
  /** A process of this machine. */
  readonly popen?: boolean | undefined;
  /** A thread of this process: it ends at once whatever it does, but shares the process's fate. */
  readonly worker?: boolean | undefined;
  /** A host as `ssh` takes it, options before it: `-p 2222 user@box`. */
  readonly ssh?: string | undefined;
  /** Who serves gateways (`serveGateway`): `host:port` or `unix:/path`. */
  readonly socket?: string | undefined;
  /** The id of the gateway of the same group on whose machine it is started. */
  readonly via?: string | undefined;
  readonly id?: string | undefined;
  /** The program. Default: this very `node` for `popen`, the `node` of the path for `ssh`. */
  readonly node?: string | undefined;
  /** The directory to work in, from where it would work else; made if it isn't there. */
  readonly chdir?: string | undefined;
  /** The process's priority: from -20 to 19, 0 is normal, more is less. */
  readonly nice?: number | undefined;
  /** Environment variables, besides those there are. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** A configuration file for `ssh`; in text `ssh_config`. */
  readonly sshConfig?: string | undefined;
}

/** How a spec's interpreter is reached. */
export type GatewayKind = "popen" | "worker" | "ssh" | "socket";

const NAMES: OptionNames<GatewaySpec> = {
  popen: true,
  worker: true,
  ssh: true,
  socket: true,
  via: true,
  id: true,
  node: true,
  chdir: true,
  nice: true,
  env: true,
  sshConfig: true,
};
const KINDS: readonly GatewayKind[] = ["popen", "worker", "ssh", "socket"];
const FLAGS: ReadonlySet<string> = new Set(["popen", "worker"]);
const KEYS = Object.keys(NAMES)
  .filter((name) => name !== "env")
  .map((name) => (name === "sshConfig" ? "ssh_config" : name));

/** What a thread can't have for itself, and what a server decides. */
const NOT_FOR: Readonly<Partial<Record<GatewayKind, readonly (keyof GatewaySpec)[]>>> = {
  worker: ["chdir", "nice", "node", "sshConfig"],
  popen: ["sshConfig"],
  socket: ["node", "sshConfig", "via"],
};

/**
 * Reads a spec as execnet writes them, parts between `//`:
 * `ssh=-p 2222 me@box//id=box//node=/opt/node/bin/node//env:LANG=C//chdir=work//nice=10`.
 * A part can hold no `//` itself: pass an object then.
 *
 * @throws GatewayError `GATEWAY_BAD_SPEC`, with the part that is wrong
 */
export function parseSpec(text: string): GatewaySpec {
  const spec: Record<string, unknown> = {};
  const env: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const part of text.split("//")) {
    const at = part.indexOf("=");
    const key = at < 0 ? part : part.slice(0, at);
    const value = at < 0 ? undefined : part.slice(at + 1);
    if (key.startsWith("env:")) readVariable(text, env, key.slice("env:".length), value);
    else readKey(text, spec, key, value);
  }
  if (Object.keys(env).length > 0) spec["env"] = { ...env };
  return checkSpec(spec, text);
}

/** A spec as `parseSpec` reads it. For people where a value holds `//`. */
export function formatSpec(spec: GatewaySpec): string {
  const { popen, worker, env = {}, ...rest } = spec;
  const parts = [...(popen === true ? ["popen"] : []), ...(worker === true ? ["worker"] : [])];
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined) continue;
    parts.push(`${name === "sshConfig" ? "ssh_config" : name}=${value}`);
  }
  parts.push(...Object.entries(env).map(([name, value]) => `env:${name}=${value}`));
  return parts.join("//");
}

/** How the spec says that its interpreter is reached. */
export function kindOfSpec(spec: GatewaySpec): GatewayKind {
  return KINDS.find((kind) => spec[kind] !== undefined && spec[kind] !== false) ?? "popen";
}

/**
 * Refuses what contradicts itself or would not be looked at.
 *
 * @throws GatewayError `GATEWAY_BAD_SPEC`
 */
export function checkSpec(given: unknown, text?: string): GatewaySpec {
  if (typeof given !== "object" || given === null) {
    throw bad(text, `it is ${kindOf(given)}, not a string or an object`);
  }
  const shown = text ?? JSON.stringify(given);
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(NAMES, name)) throw unknownKey(shown, name, Object.keys(NAMES));
    checkValue(shown, name, value);
  }
  const spec = given as GatewaySpec;
  const kinds = KINDS.filter((kind) => spec[kind] !== undefined && spec[kind] !== false);
  if (kinds.length !== 1) {
    const what = kinds.length === 0 ? "says nothing of" : `has ${kinds.join(" and ")} for`;
    throw bad(shown, `it ${what} how to get there: one of ${KINDS.join(", ")}`);
  }
  const kind = kinds[0] as GatewayKind;
  const wrong = NOT_FOR[kind]?.find((name) => spec[name] !== undefined);
  if (wrong !== undefined) throw bad(shown, `${wrong} does not go with ${kind}`);
  return spec;
}

function readKey(
  text: string,
  spec: Record<string, unknown>,
  key: string,
  value: string | undefined,
): void {
  if (key === "") throw bad(text, "a part between // is empty, or has no name");
  if (!KEYS.includes(key)) throw unknownKey(text, key, [...KEYS, "env:NAME"]);
  const name = key === "ssh_config" ? "sshConfig" : key;
  if (name in spec) throw bad(text, `${key} is there twice`);
  if (FLAGS.has(key)) {
    if (value !== undefined) throw bad(text, `${key} takes no value`);
    spec[name] = true;
  } else if (value === undefined || value === "") {
    throw bad(text, `${key} needs a value, as ${key}=...`);
  } else {
    spec[name] = key === "nice" ? Number(value) : value;
  }
}

function readVariable(
  text: string,
  env: Record<string, string>,
  name: string,
  value: string | undefined,
): void {
  if (value === undefined) throw bad(text, `env:${name} needs a value, as env:${name}=...`);
  if (name in env) throw bad(text, `env:${name} is there twice`);
  env[name] = value;
}

function checkValue(shown: string, name: string, value: unknown): void {
  if (value === undefined) return;
  if (FLAGS.has(name)) {
    if (typeof value !== "boolean") throw bad(shown, `${name} is ${kindOf(value)}, not true`);
  } else if (name === "nice") {
    if (Number.isInteger(value) && Number(value) >= -20 && Number(value) <= 19) return;
    throw bad(shown, "nice is a whole number from -20 to 19");
  } else if (name === "env") {
    checkVariables(shown, value);
  } else if (typeof value !== "string" || value === "" || value.includes("\0")) {
    throw bad(shown, `${name} is text`);
  }
}

function checkVariables(shown: string, env: unknown): void {
  if (typeof env !== "object" || env === null) throw bad(shown, "env is an object");
  for (const [name, value] of Object.entries(env)) {
    if (name === "" || /[=\0]/.test(name) || typeof value !== "string" || value.includes("\0")) {
      throw bad(shown, `env:${name} is no variable with text for a value`);
    }
  }
}

function unknownKey(shown: string, key: string, known: readonly string[]): GatewayError {
  const like = closest(key, known);
  const hint = like === undefined ? `it has ${known.join(", ")}` : `did you mean ${like}?`;
  return bad(shown, `there is no ${JSON.stringify(key)} (${hint})`);
}

function bad(shown: string | undefined, why: string): GatewayError {
  const where = shown === undefined ? "a gateway's spec" : `the spec ${JSON.stringify(shown)}`;
  return new GatewayError("GATEWAY_BAD_SPEC", `${where} is not valid: ${why}`);
}
