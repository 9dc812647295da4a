import { GatewayError } from "../base/errors.ts";
import type { SshOptions } from "../channel/ssh.ts";

/** What a spec may say of how `ssh` gets there. */
export type SshTarget = Pick<
  SshOptions,
  "host" | "user" | "port" | "identity" | "config" | "settings"
>;

/**
 * Reads what stands behind `ssh=`: a host, and before it the options `-p PORT`, `-l USER`, `-i FILE`,
 * `-F FILE` and `-o NAME=VALUE`, each in one word or two. There is no quoting.
 *
 * @throws GatewayError `GATEWAY_BAD_SPEC`
 */
export function parseSshWords(text: string): SshTarget {
  const words = text.split(" ").filter((word) => word !== "");
  const target: Partial<Record<"user" | "identity" | "config", string>> & { port?: number } = {};
  const settings: Record<string, string> = {};
  let at = 0;
  for (; words[at]?.startsWith("-") === true; at++) {
    const word = words[at] as string;
    const value = word.length > 2 ? word.slice(2) : words[++at];
    if (value === undefined) throw bad(text, `${word} needs a value`);
    const name = OPTIONS[word.slice(0, 2)];
    if (name === undefined)
      throw bad(text, `of ssh's options it takes -p -l -i -F -o, not ${word}`);
    if (name === "settings") readSetting(text, settings, value);
    else if (name === "port") target.port = readPort(text, value);
    else target[name] = value;
  }
  const host = words[at];
  if (host === undefined || words.length > at + 1) throw bad(text, "one host comes last");
  return { ...target, host, settings };
}

const OPTIONS: Readonly<Record<string, "user" | "identity" | "config" | "port" | "settings">> = {
  "-p": "port",
  "-l": "user",
  "-i": "identity",
  "-F": "config",
  "-o": "settings",
};

function readSetting(text: string, settings: Record<string, string>, value: string): void {
  const at = value.indexOf("=");
  if (at <= 0) throw bad(text, `-o takes NAME=VALUE, not ${value}`);
  settings[value.slice(0, at)] = value.slice(at + 1);
}

function readPort(text: string, value: string): number {
  const port = Number(value);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw bad(text, `${value} is no port`);
}

function bad(text: string, why: string): GatewayError {
  return new GatewayError("GATEWAY_BAD_SPEC", `ssh=${text} is not valid: ${why}`);
}
