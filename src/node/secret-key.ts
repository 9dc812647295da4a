import { link, readFile, rename, rm, writeFile } from "node:fs/promises";

import { NodeError, TreeError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import { KEY_BYTES } from "../tree/secrets/seal.ts";
import type { SecretKeys } from "../tree/secrets/secret-keys.ts";
import { sameBytes } from "../tree/same-bytes.ts";
import type { Tree } from "../tree/tree.ts";
import { placesOf } from "./tree-folder.ts";
import { nodeCrypto } from "../tree/node-crypto.ts";

/** Keys that are given, and not those of the tree's folder: as text, or in a file. */
export interface GivenKeys {
  readonly text?: string | undefined;
  readonly file?: string | undefined;
}

export interface RotateOptions {
  /** The tree's folder, where its keys lie there; undefined where they are given. */
  readonly directory?: string | undefined;
  /** Where the new key is, or, if there is none, is put. Default: the folder. */
  readonly newKeyFile?: string | undefined;
}

/** What the environment says: BANYAN_SECRET_KEY, or BANYAN_SECRET_KEY_FILE. */
export function givenKeysFrom(
  env: Readonly<Record<string, string | undefined>>,
  file?: string,
): GivenKeys | undefined {
  const { BANYAN_SECRET_KEY: text, BANYAN_SECRET_KEY_FILE: named } = env;
  const path = file ?? named;
  if (path !== undefined && path !== "") return { file: path };
  return text === undefined || text === "" ? undefined : { text };
}

/** Keys that somebody gives: several may stand behind each other, so that none is missing while they change. */
export function givenKeys({ text, file }: GivenKeys): SecretKeys {
  const from = file ?? "BANYAN_SECRET_KEY";
  return {
    from,
    all: async () => {
      const keys = file === undefined ? parseKeys(text ?? "", from) : await keysIn(file);
      if (keys !== undefined) return keys;
      const says = `there is no key file ${from}; \`openssl rand -base64 ${KEY_BYTES}\` makes a key`;
      throw new TreeError("TREE_NO_KEY", says);
    },
  };
}

/**
 * The key of a tree's secrets, from `.banyan/secret.key`, which is made with the first of them: 32 random
 * bytes in base64, for this user alone; and the one that takes its place while it is being changed.
 */
export function folderKeys(directory: string): SecretKeys {
  const { secretKey: path, nextSecretKey: next } = placesOf(directory);
  return {
    from: path,
    all: async () => {
      // The next one takes the other's name: whoever reads it first misses neither.
      const coming = (await keysIn(next)) ?? [];
      return [...((await keysIn(path)) ?? []), ...coming];
    },
    create: () => makeKey(path),
  };
}

/**
 * Changes the key of a tree's secrets. May be killed at any moment, and is called again then: the key
 * before is kept until all are sealed with the new one.
 *
 * @returns how many were sealed anew by this call
 * @throws TreeError `TREE_NO_KEY`; NodeError `NODE_DENIED` where a key can't be written
 */
export async function rotateSecrets(
  tree: Tree,
  { directory, newKeyFile }: RotateOptions,
): Promise<number> {
  if (newKeyFile !== undefined) {
    const key = await makeKey(newKeyFile);
    const count = await tree.secrets.rotate(key);
    // From now on the key is given: one that nothing is sealed with must not seem to be it.
    if (directory !== undefined) await removeOther(placesOf(directory).secretKey, key);
    return count;
  }
  if (directory === undefined) {
    const says = "the key of this tree is given: say where the new one is, or shall be";
    throw new TreeError("TREE_NO_KEY", says);
  }
  const { secretKey: path, nextSecretKey: next } = placesOf(directory);
  const count = await tree.secrets.rotate(await makeKey(next));
  await rename(next, path);
  return count;
}

async function removeOther(path: string, key: Uint8Array): Promise<void> {
  const [present] = (await keysIn(path)) ?? [];
  if (present !== undefined && !sameBytes(present, key)) await rm(path, { force: true });
}

/** The first key of a file, which is made if there is none. */
async function makeKey(path: string): Promise<Uint8Array> {
  const draft = `${path}.${randomId()}`;
  for (;;) {
    const [key] = (await keysIn(path)) ?? [];
    if (key !== undefined) return key;
    try {
      const text = `${nodeCrypto().randomBytes(KEY_BYTES).toString("base64")}\n`;
      await writeFile(draft, text, { mode: 0o600, flag: "wx" });
      // Linking makes it appear whole, and of two that are made at once one is the key.
      await link(draft, path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") {
        throw new NodeError("NODE_DENIED", `can't write ${path}: ${(cause as Error).message}`, {
          cause,
        });
      }
    } finally {
      await rm(draft, { force: true });
    }
  }
}

/** Undefined where there is no such file. @throws TreeError `TREE_NO_KEY` for one that holds no key */
async function keysIn(path: string): Promise<readonly Uint8Array[] | undefined> {
  try {
    return parseKeys(await readFile(path, "utf8"), path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if (cause instanceof TreeError) throw cause;
    throw new TreeError("TREE_NO_KEY", `can't read ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function parseKeys(text: string, from: string): readonly Uint8Array[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  const keys = words.map((word) => {
    const bytes = new Uint8Array(Buffer.from(word, "base64"));
    const isText = /^[A-Za-z0-9+/_-]+=*$/.test(word);
    return isText && bytes.length === KEY_BYTES ? bytes : undefined;
  });
  const sound = keys.filter((key) => key !== undefined);
  if (sound.length > 0 && sound.length === keys.length) return sound;
  // Nothing of what is there may be told: it may be a key with a typo.
  throw new TreeError("TREE_NO_KEY", `${from} holds no key of ${KEY_BYTES} bytes in base64`);
}
