import { randomBytes } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";

import { TreeError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import { KEY_BYTES } from "../tree/secrets/seal.ts";
import { placesOf } from "./tree-folder.ts";

/**
 * The key of a tree's secrets, from `.banyan/secret.key`, which is made with the first of them: 32 random
 * bytes in base64, for this user alone. Without that file they can't be read by anybody.
 *
 * @throws TreeError `TREE_NO_KEY` for a file that holds no key
 */
export async function secretKey(
  directory: string,
  create: boolean,
): Promise<Uint8Array | undefined> {
  const path = placesOf(directory).secretKey;
  const draft = `${path}.${randomId()}`;
  for (;;) {
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (text !== undefined) {
      const key = new Uint8Array(Buffer.from(text.trim(), "base64"));
      if (key.length === KEY_BYTES) return key;
      throw new TreeError("TREE_NO_KEY", `${path} holds no key of ${KEY_BYTES} bytes in base64`);
    }
    if (!create) return undefined;
    await writeFile(draft, `${randomBytes(KEY_BYTES).toString("base64")}\n`, { mode: 0o600 });
    // Linking makes it appear whole, and of two that are made at once one is the key.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    await rm(draft, { force: true });
  }
}
