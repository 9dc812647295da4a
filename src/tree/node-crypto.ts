import type * as crypto from "node:crypto";

/** Node's own cryptography, loaded with the first use: for most processes it would be memory for nothing. */
export function nodeCrypto(): typeof crypto {
  return process.getBuiltinModule("node:crypto");
}
