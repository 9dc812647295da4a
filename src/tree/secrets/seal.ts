import { TreeError } from "../../base/errors.ts";
import { nodeCrypto } from "../node-crypto.ts";

/** A value that only those can read who have the key. */
export interface Sealed {
  /** Says which key, and nothing of it. */
  readonly key: string;
  readonly iv: Uint8Array;
  readonly data: Uint8Array;
  readonly tag: Uint8Array;
}

export const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const ALGORITHM = "aes-256-gcm";

/**
 * Encrypts with AES-256-GCM. `place` is where it will lie: at another place it can't be read, so that
 * nobody puts one secret where another is expected.
 */
export function seal(plain: Uint8Array, key: Uint8Array, place: string): Sealed {
  const iv = nodeCrypto().randomBytes(IV_BYTES);
  const cipher = nodeCrypto().createCipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(place, "utf8"));
  const data = Buffer.concat([cipher.update(plain), cipher.final()]);
  return {
    key: keyId(key),
    iv: new Uint8Array(iv),
    data: new Uint8Array(data),
    tag: new Uint8Array(cipher.getAuthTag()),
  };
}

/** @throws TreeError `TREE_NO_KEY` for another key, or for what was tampered with */
export function unseal(sealed: Sealed, key: Uint8Array, place: string): Uint8Array {
  const id = keyId(key);
  if (sealed.key !== id) {
    const says = `the secret at ${place} was sealed with key ${sealed.key}, and this tree has ${id}`;
    throw new TreeError("TREE_NO_KEY", says);
  }
  try {
    const decipher = nodeCrypto().createDecipheriv(ALGORITHM, key, sealed.iv, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(place, "utf8"));
    decipher.setAuthTag(sealed.tag);
    return new Uint8Array(Buffer.concat([decipher.update(sealed.data), decipher.final()]));
  } catch (error) {
    throw new TreeError("TREE_NO_KEY", `the secret at ${place} is damaged, or another's`, {
      cause: error,
    });
  }
}

export function isSealed(value: unknown): value is Sealed {
  const { key, iv, data, tag } = Object(value) as Partial<Sealed>;
  const bytes = [iv, data, tag].every((part) => part instanceof Uint8Array);
  return typeof key === "string" && bytes && iv?.length === IV_BYTES && tag?.length === TAG_BYTES;
}

/** Says which key it is, and nothing of it. */
export function keyId(key: Uint8Array): string {
  return nodeCrypto()
    .createHash("sha256")
    .update("banyan secret key")
    .update(key)
    .digest("hex")
    .slice(0, 16);
}
