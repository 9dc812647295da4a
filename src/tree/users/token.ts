import { randomId } from "../../base/ids.ts";
import { nodeCrypto } from "../node-crypto.ts";

/** A token as it is made: its text is shown once, and only its hash is kept. */
export interface NewToken {
  /** Says which token it is, and nothing else. */
  readonly id: string;
  /** What its holder shows. */
  readonly text: string;
  readonly hash: Uint8Array;
}

const SECRET_BYTES = 32;
const TEXT = /^bt_([0-9a-z]{16})_([\w-]{43})$/;

/** Nobody can guess one, so a plain hash is enough to keep it. */
export function newToken(): NewToken {
  const id = randomId();
  const secret = nodeCrypto().randomBytes(SECRET_BYTES).toString("base64url");
  return { id, text: `bt_${id}_${secret}`, hash: hashOf(secret) };
}

/** The parts of a token's text; undefined for what is none. */
export function parseToken(text: unknown): { id: string; hash: Uint8Array } | undefined {
  const found = typeof text === "string" ? TEXT.exec(text) : null;
  if (found === null) return undefined;
  const [, id = "", secret = ""] = found;
  return { id, hash: hashOf(secret) };
}

export function isSameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && nodeCrypto().timingSafeEqual(a, b);
}

function hashOf(secret: string): Uint8Array {
  return new Uint8Array(nodeCrypto().createHash("sha256").update(secret).digest());
}
