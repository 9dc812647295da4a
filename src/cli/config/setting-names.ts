import { FORMATS } from "../output.ts";

/** One setting of the command, and where it may be said. */
export interface SettingInfo {
  /** As on the command line, without the dashes; undefined where it is none of its options. */
  readonly flag?: string;
  readonly env?: string;
  readonly inProject: boolean;
  readonly inContext: boolean;
  /** Never shown. */
  readonly secret?: boolean;
  /** The name of a file or a directory, which is relative to where it is said. */
  readonly isPath?: boolean;
  /** The words that it may be. */
  readonly choices?: readonly string[];
}

/** Everything that can be set, in the order in which it is shown. */
const SETTINGS = {
  context: { flag: "context", env: "BANYAN_CONTEXT", inProject: true, inContext: false },
  tree: { flag: "tree", env: "BANYAN_TREE", inProject: true, inContext: true },
  user: { flag: "user", env: "BANYAN_USER", inProject: true, inContext: true },
  password: { env: "BANYAN_PASSWORD", inProject: false, inContext: false, secret: true },
  token: { env: "BANYAN_TOKEN", inProject: false, inContext: true, secret: true },
  codecs: { flag: "codecs", env: "BANYAN_CODECS", inProject: true, inContext: true },
  key_file: {
    flag: "key-file",
    env: "BANYAN_SECRET_KEY_FILE",
    inProject: true,
    inContext: true,
    isPath: true,
  },
  output: {
    flag: "output",
    env: "BANYAN_OUTPUT",
    inProject: true,
    inContext: true,
    choices: FORMATS,
  },
  author: { env: "BANYAN_AUTHOR", inProject: true, inContext: true },
} as const satisfies Readonly<Record<string, SettingInfo>>;

export type SettingName = keyof typeof SETTINGS;

/** In their order. */
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

export function infoOf(name: SettingName): SettingInfo {
  return SETTINGS[name];
}

/** Whether an address is one of a directory; others mean the same everywhere. */
export function isDirectoryAddress(tree: string): boolean {
  // A drive letter is one character, no scheme is.
  return !/^[a-z][a-z0-9+.-]+:/i.test(tree);
}
